/*
 * The two-step append of one lock, as Locks.ts, Settling.ts, DeviceReports.ts and CommandsInShadow.ts of packages/core
 * do it, by any number of servers.
 *
 * Three commands. 0 and 1 are one request: its sender had no answer from a server and asks another, with the same
 * idempotency key. 2 is another request. Every server may crash between any two steps; whoever survives, or starts
 * again, sweeps. What is sent to the shadow comes late, never, or twice, and so do the answers. The device is away
 * between any two of its steps, hears of commands late, and may lose power in the middle of one. Time passes whenever
 * it likes: deadlines and expiries come at any moment.
 *
 * What is checked, in every reachable state (assert) and when nothing moves any more (AtTheEnd):
 *   complete   no command that the shadow accepted is missing from the log
 *   honest     no command is in the log that the shadow did not accept
 *   once       no command, and no request, is carried out twice, or is in the log twice
 *   in time    no command is carried out after its expiry
 *   settled    nothing stays reserved, and what the device answered has its outcome in the log
 *
 * -DNO_… takes one protection away: run.sh shows that each is needed. -DRETRIED adds command 1, -DOTHERS command 2,
 * -DSWEEPS a second server that sweeps, -DONE_TRY leaves out that a write to the shadow is sent again.
 */
#define COMMANDS 3
#define REQUESTS 2
#define requestOf(c) ((c) / 2)
#define NOBODY 255
#ifndef REPORTS
#define REPORTS 2      /* how often a device says the same */
#endif

mtype = { fresh, prepared, committed, discarded, yes, conflict, unknown };

/* The event store: each of its operations is one atomic step, and durable. */
mtype phase[COMMANDS] = fresh;
byte reserver = NOBODY;
byte logged[REQUESTS];
byte outcomes[COMMANDS];

/*
 * The shadow of the thing. Its version only matters as "has anybody written since?": whoever reads it has a flag, which
 * every write takes down, and a conditional write is carried out while the flag of its reader is up.
 */
bool readByServer[COMMANDS];
bool readBySweep[2];
bool held[COMMANDS];      /* in desired.commands */
bool answered[COMMANDS];  /* in reported.commands */
bool accepted[COMMANDS];  /* whether it was ever held: for the checks only */

/* Conditional writes on their way, two for each command: a client that has no answer sends its write again. */
bool flying[6];
bool isCurrent[6];        /* the flag that the write has taken along */
mtype answer[COMMANDS] = unknown;
bool waits[COMMANDS];      /* there is somebody to get the answer */

/* The device. */
bool heard[COMMANDS];   /* it has got the document, and may look at it any time from then on */
bool seen[COMMANDS];    /* written down before it acts */
byte done[COMMANDS];
byte reports[COMMANDS];

/* Time, as far as it matters: it passes whenever it likes. */
bool late[COMMANDS];     /* nothing may be sent any more, and others may settle */
bool expired[COMMANDS];

/* ---- the store ---- */

inline prepare(c) {
  phase[c] = prepared;
  reserver = c
}

inline commit(c) {
  if
  :: phase[c] == prepared ->
     phase[c] = committed;
     if :: reserver == c -> reserver = NOBODY :: else fi;
     logged[requestOf(c)]++;
     assert(accepted[c]);                 /* honest */
     assert(logged[requestOf(c)] <= 1)    /* once */
  :: else
  fi
}

inline discard(c) {
  if
  :: phase[c] == prepared ->
     phase[c] = discarded;
     if :: reserver == c -> reserver = NOBODY :: else fi;
     assert(!accepted[c])                 /* complete */
  :: else
  fi
}

/* ---- the shadow ---- */

/* Any write: it moves the version on. */
inline written() {
  readByServer[0] = false; readByServer[1] = false; readByServer[2] = false;
  readBySweep[0] = false; readBySweep[1] = false;
  isCurrent[0] = false; isCurrent[1] = false; isCurrent[2] = false;
  isCurrent[3] = false; isCurrent[4] = false; isCurrent[5] = false
}

/* A conditional write that adds a command, and drops those that have expired. */
inline add(c) {
  held[c] = true;
  accepted[c] = true;
  assert(phase[c] != discarded);          /* complete: it can no longer get into the log */
  i = 0;
  do
  :: i < COMMANDS ->
     if :: held[i] && expired[i] && i != c -> held[i] = false :: else fi;
     i++
  :: else -> break
  od;
  written()
}

/* ---- a server that carries out one command ---- */

/* Before every step it may crash: it goes away with all that it knew, and what it sent stays on its way. */
#define orCrash :: goto gone

#ifdef NO_RESERVATION
#define isFree true
#else
#define isFree (reserver == NOBODY)
#endif
#ifdef NO_RECEIPT
#define hasReceipt(c) false
#else
#define hasReceipt(c) (logged[requestOf(c)] > 0)
#endif

proctype Server(byte c) {
  bool inDoubt;

  /* Prepare: not on a reserved stream; a receipt in the log answers for the request. */
  atomic {
    (isFree || hasReceipt(c));
    if :: hasReceipt(c) -> goto gone :: else fi;
    prepare(c)
  }
send:
  if
  orCrash
  :: atomic { held[c] || answered[c] -> goto accept }
  :: atomic { !held[c] && !answered[c] && inDoubt -> goto settle }  /* it may have been there, and be settled already */
  :: atomic { !held[c] && !answered[c] && !inDoubt -> readByServer[c] = true }
  fi;
  /* The time is looked at after the shadow was read: whoever settles afterwards moves the version on. */
  if
  orCrash
#ifndef NO_DEADLINE
  :: late[c] -> goto no
  :: !late[c]
#else
  :: true
#endif
  fi;
write:
  if
  orCrash
  :: atomic {
       waits[c] = true;
       if
       :: !flying[2 * c] -> flying[2 * c] = true; isCurrent[2 * c] = readByServer[c]
       :: flying[2 * c] && !flying[2 * c + 1] -> flying[2 * c + 1] = true; isCurrent[2 * c + 1] = readByServer[c]
       :: else
       fi
     }
  fi;
  if
  orCrash
  :: atomic { answer[c] == yes -> answer[c] = unknown; goto accept }
  :: atomic { answer[c] == conflict -> answer[c] = unknown; waits[c] = false; goto send }
  /* No answer in time: the same write once more, on the same version; and then it asks what became of it. */
#ifndef ONE_TRY
  :: atomic { answer[c] == unknown && !inDoubt -> inDoubt = true; goto write }
  :: atomic { answer[c] == unknown && inDoubt -> goto settle }
#else
  :: atomic { answer[c] == unknown -> goto settle }
#endif
  fi;
accept:
  if
  orCrash
  :: atomic {
       commit(c);
       /* Others have settled it already, without evidence: out with it, and nothing of it counts. */
       if :: phase[c] == discarded -> held[c] = false; answered[c] = false; written() :: else fi;
       goto gone
     }
  fi;
settle:
  if
  orCrash
  :: atomic { held[c] || answered[c] -> goto accept }
  :: atomic { !held[c] && !answered[c] -> readByServer[c] = true }
  fi;
#ifndef NO_FENCE
  if
  orCrash
  :: atomic { readByServer[c] -> written() }
  :: atomic { !readByServer[c] -> goto settle }
  fi;
#endif
no:
  if
  orCrash
  :: atomic { discard(c) }
  fi;
gone:
  atomic { readByServer[c] = false; waits[c] = false; answer[c] = unknown }
}

/* ---- whoever meets a reservation that is late: the sweep of each server, or the next writer ---- */

proctype Sweep(byte s) {
  byte c;

end:
  do
  :: atomic {
       if
       :: phase[0] == prepared && late[0] -> c = 0
       :: phase[1] == prepared && late[1] -> c = 1
       :: phase[2] == prepared && late[2] -> c = 2
       fi
     }
again:
     if
     :: atomic { held[c] || answered[c] -> commit(c) }
     :: atomic { !held[c] && !answered[c] -> readBySweep[s] = true; goto fence }
     fi;
     goto next;
fence:
#ifndef NO_FENCE
     if
     :: atomic { readBySweep[s] -> written() }
     :: atomic { !readBySweep[s] -> goto again }
     fi;
#endif
     if
     :: atomic { discard(c) }
     :: skip                       /* it crashes, and begins again */
     fi;
next:
     atomic { c = 0; readBySweep[s] = false }
  od
}

/* ---- the network between servers and shadow ---- */

#define arrival(m, c) \
  :: atomic { flying[m] && mayWrite(m) -> flying[m] = false; add(c); \
       if :: waits[c] -> answer[c] = yes :: true fi } \
  :: atomic { flying[m] && !mayWrite(m) -> flying[m] = false; isCurrent[m] = false; \
       if :: waits[c] -> answer[c] = conflict :: true fi } \
  :: atomic { flying[m] -> flying[m] = false; isCurrent[m] = false }

#ifdef NO_VERSION
#define mayWrite(m) true
#else
#define mayWrite(m) isCurrent[m]
#endif

proctype Network() {
  byte i;
end:
  do
  arrival(0, 0)
  arrival(1, 0)
  arrival(2, 1)
  arrival(3, 1)
  arrival(4, 2)
  arrival(5, 2)
  od
}

/* ---- the device: it may be away between any two of these steps ---- */

#ifdef NO_EXPIRY
#define inTime(c) true
#else
#define inTime(c) (!expired[c])
#endif

#ifdef NO_MEMORY
#define isNew(c) (done[c] < 2)
#else
#define isNew(c) (!seen[c])
#endif

#define hears(c) \
  :: atomic { held[c] && !heard[c] -> heard[c] = true } \
  :: atomic { heard[c] && isNew(c) -> \
       seen[c] = true; \
       if \
       :: inTime(c) -> \
          if \
          :: done[c]++; \
             assert(!expired[c]);                             /* in time */ \
             assert(done[c] <= 1);                            /* once */ \
             assert(done[requestOf(c) * 2] + requestTwin(c) <= 1) \
          :: true                                             /* it loses power, and will say that it failed */ \
          fi \
       :: !inTime(c) -> skip                                  /* and will say that it expired */ \
       fi } \
  :: atomic { seen[c] && reports[c] < REPORTS -> reports[c]++; answered[c] = true; written() }

#define requestTwin(c) (requestOf(c) == 0 -> done[1] : 0)

proctype Device() {
end:
  do
  hears(0)
  hears(1)
  hears(2)
  :: break     /* it does not come back */
  od
}

/* ---- reports, taken in by any server: commit what they prove, record the outcome once, only then clear ---- */

#ifdef NO_ORDER
#define mayClear(c) true
#else
#define mayClear(c) (phase[c] != prepared && (phase[c] != committed || outcomes[c] > 0))
#endif

/* Another device names the command too. */
#ifdef NO_THING
#define mayProve(c) true
#else
#define mayProve(c) answered[c]
#endif

#define intake(c) \
  :: atomic { mayProve(c) && phase[c] == prepared -> commit(c) } \
  :: atomic { answered[c] && phase[c] == committed && outcomes[c] == 0 -> outcomes[c]++ } \
  :: atomic { answered[c] && mayClear(c) -> held[c] = false; answered[c] = false; written() }

proctype Reports() {
end:
  do
  intake(0)
  intake(1)
  intake(2)
  od
}

#define mayMatter(c) (phase[c] != fresh && (held[c] || !seen[c]))

proctype Time() {
end:
  do
  :: atomic { phase[0] == prepared && !late[0] -> late[0] = true }
  :: atomic { phase[1] == prepared && !late[1] -> late[1] = true }
  :: atomic { phase[2] == prepared && !late[2] -> late[2] = true }
  :: atomic { mayMatter(0) && !expired[0] -> expired[0] = true }
  :: atomic { mayMatter(1) && !expired[1] -> expired[1] = true }
  :: atomic { mayMatter(2) && !expired[2] -> expired[2] = true }
  od
}

/* Nothing moves any more: everything is settled, and the log tells what happened. */
#define isRight(c) \
  assert(phase[c] != prepared);                            /* settled */ \
  assert(!accepted[c] || phase[c] == committed);           /* complete */ \
  assert(accepted[c] || phase[c] != committed);            /* honest */ \
  assert(reports[c] == 0 || outcomes[c] == 1)              /* settled */

proctype AtTheEnd() {
  timeout ->
  isRight(0);
  isRight(1);
  isRight(2);
#ifdef CAN_BE_DONE
  assert(!(done[0] == 1 && done[2] == 1 && outcomes[0] == 1 && outcomes[2] == 1));
#endif
  assert(reserver == NOBODY)
}

init {
  atomic {
    run Server(0);
#ifdef RETRIED
    run Server(1);
#endif
#ifdef OTHERS
    run Server(2);
#endif
    run Sweep(0);
#ifdef SWEEPS
    run Sweep(1);
#endif
    run Network();
    run Device();
    run Reports();
    run Time();
    run AtTheEnd()
  }
}
