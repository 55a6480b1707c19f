/*
 * The two-step append of one lock, as Locks.ts, Settling.ts, DeviceReports.ts and CommandsInShadow.ts of packages/core
 * do it, by any number of servers.
 *
 * Three commands. 0 and 1 are one request: its sender had no answer from a server and asks another, with the same
 * idempotency key. 2 is another request. Command 0 may be prepared again once it was discarded, as BulkAddKeys does:
 * that is another attempt at it, and whoever still settles the first must do nothing to the second. Every server may crash between any two steps; whoever survives, or starts
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
 * -DAGAIN the second attempt at command 0, -DSWEEPS a second server that sweeps, -DONE_TRY leaves out that a write to the shadow is sent again.
 */
#define COMMANDS 3
#define REQUESTS 2
#define requestOf(c) ((c) / 2)
#define NOBODY 255
#define RUNS 4         /* of servers that carry out a command; the last is the second attempt at command 0 */
#define commandOf(r) ((r) == 3 -> 0 : (r))
#ifndef REPORTS
#define REPORTS 2      /* how often a device says the same */
#endif

mtype = { fresh, prepared, committed, discarded, yes, conflict, unknown };

/* The event store: each of its operations is one atomic step, and durable. */
mtype phase[COMMANDS] = fresh;
byte attempt[COMMANDS];   /* the last one that was prepared */
byte reserver = NOBODY;
byte logged[REQUESTS];
byte outcomes[COMMANDS];

/*
 * The shadow of the thing. Its version only matters as "has anybody written since?": whoever reads it has a flag, which
 * every write takes down, and a conditional write is carried out while the flag of its reader is up.
 */
bool readByServer[RUNS];
bool readBySweep[2];
bool held[COMMANDS];      /* in desired.commands */
byte heldAs[COMMANDS];    /* which attempt that is */
bool answered[COMMANDS];  /* in reported.commands */
bool accepted[COMMANDS];  /* whether it was ever held: for the checks only */

/* Conditional writes on their way, two for each run: a client that has no answer sends its write again. */
bool flying[8];
bool isCurrent[8];        /* the flag that the write has taken along */
mtype answer[RUNS] = unknown;
bool waits[RUNS];          /* there is somebody to get the answer */

/* The device. */
bool heard[COMMANDS];   /* it has got the document, and may look at it any time from then on */
bool seen[COMMANDS];    /* written down before it acts */
byte done[COMMANDS];
byte reports[COMMANDS];

/* Time, as far as it matters: it passes whenever it likes. */
bool late[COMMANDS];     /* nothing may be sent any more, and others may settle */
bool expired[COMMANDS];

/* ---- the store ---- */

#ifdef NO_ATTEMPT
#define isMeant(c, a) true
#else
#define isMeant(c, a) (attempt[c] == (a))
#endif

inline prepare(c) {
  phase[c] = prepared;
  attempt[c]++;
  late[c] = false;
  expired[c] = false;
  reserver = c
}

inline commit(c, a) {
  if
  :: phase[c] == prepared && isMeant(c, a) ->
     phase[c] = committed;
     if :: reserver == c -> reserver = NOBODY :: else fi;
     logged[requestOf(c)]++;
     assert(accepted[c]);                 /* honest */
     assert(logged[requestOf(c)] <= 1)    /* once */
  :: else
  fi
}

inline discard(c, a) {
  if
  :: phase[c] == prepared && isMeant(c, a) ->
     phase[c] = discarded;
     if :: reserver == c -> reserver = NOBODY :: else fi;
     assert(!accepted[c])                 /* complete */
  :: else
  fi
}

/* ---- the shadow ---- */

/* Whether the shadow holds this attempt, or the device has answered the command: no earlier attempt can have reached it. */
#ifdef NO_ATTEMPT
#define holds(c, a) (held[c] || answered[c])
#else
#define holds(c, a) ((held[c] && heldAs[c] == (a)) || answered[c])
#endif

/* Any write: it moves the version on. */
inline written() {
  readByServer[0] = false; readByServer[1] = false; readByServer[2] = false; readByServer[3] = false;
  readBySweep[0] = false; readBySweep[1] = false;
  isCurrent[0] = false; isCurrent[1] = false; isCurrent[2] = false; isCurrent[3] = false;
  isCurrent[4] = false; isCurrent[5] = false; isCurrent[6] = false; isCurrent[7] = false
}

/* A conditional write that adds a command, and drops those that have expired. */
inline add(c, a) {
  held[c] = true;
  heldAs[c] = a;
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

/* Time passes for an attempt; for one that was followed by another, it has passed. */
#define tooLate(c, a) (attempt[c] != (a) || late[c])

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

proctype Server(byte r) {
  byte c = commandOf(r);
  byte mine;
  bool inDoubt;

  /* Prepare: not on a reserved stream; a receipt in the log answers for the request. */
  atomic {
    ((isFree || hasReceipt(c)) && (r != 3 || phase[c] == discarded || hasReceipt(c)));
    if :: hasReceipt(c) -> goto gone :: else fi;
    prepare(c);
    mine = attempt[c]
  }
send:
  if
  orCrash
  :: atomic { holds(c, mine) -> goto accept }
  :: atomic { !holds(c, mine) && inDoubt -> goto settle }  /* it may have been there, and be settled already */
  :: atomic { !holds(c, mine) && !inDoubt -> readByServer[r] = true }
  fi;
  /* The time is looked at after the shadow was read: whoever settles afterwards moves the version on. */
  if
  orCrash
#ifndef NO_DEADLINE
  :: tooLate(c, mine) -> goto no
  :: !tooLate(c, mine)
#else
  :: true
#endif
  fi;
write:
  if
  orCrash
  :: atomic {
       waits[r] = true;
       if
       :: !flying[2 * r] -> flying[2 * r] = true; isCurrent[2 * r] = readByServer[r]
       :: flying[2 * r] && !flying[2 * r + 1] -> flying[2 * r + 1] = true; isCurrent[2 * r + 1] = readByServer[r]
       :: else
       fi
     }
  fi;
  if
  orCrash
  :: atomic { answer[r] == yes -> answer[r] = unknown; goto accept }
  :: atomic { answer[r] == conflict -> answer[r] = unknown; waits[r] = false; goto send }
  /* No answer in time: the same write once more, on the same version; and then it asks what became of it. */
#ifndef ONE_TRY
  :: atomic { answer[r] == unknown && !inDoubt -> inDoubt = true; goto write }
  :: atomic { answer[r] == unknown && inDoubt -> goto settle }
#else
  :: atomic { answer[r] == unknown -> goto settle }
#endif
  fi;
accept:
  if
  orCrash
  :: atomic {
       commit(c, mine);
       /* Others have settled this attempt already, without evidence: out with it, and nothing of it counts. */
       if
#ifdef NO_ATTEMPT
       :: phase[c] == discarded -> held[c] = false; answered[c] = false; written()
#else
       :: (phase[c] == discarded || attempt[c] != mine) && held[c] && heldAs[c] == mine -> held[c] = false; written()
#endif
       :: else
       fi;
       goto gone
     }
  fi;
settle:
  if
  orCrash
  :: atomic { holds(c, mine) -> goto accept }
  :: atomic { !holds(c, mine) -> readByServer[r] = true }
  fi;
#ifndef NO_FENCE
  if
  orCrash
  :: atomic { readByServer[r] -> written() }
  :: atomic { !readByServer[r] -> goto settle }
  fi;
#endif
no:
  if
  orCrash
  :: atomic { discard(c, mine) }
  fi;
gone:
  atomic { readByServer[r] = false; waits[r] = false; answer[r] = unknown }
}

/* ---- whoever meets a reservation that is late: the sweep of each server, or the next writer ---- */

proctype Sweep(byte s) {
  byte c;
  byte met;

end:
  do
  :: atomic {
       if
       :: phase[0] == prepared && late[0] -> c = 0
       :: phase[1] == prepared && late[1] -> c = 1
       :: phase[2] == prepared && late[2] -> c = 2
       fi;
       met = attempt[c]
     }
again:
     if
     :: atomic { holds(c, met) -> commit(c, met) }
     :: atomic { !holds(c, met) -> readBySweep[s] = true; goto fence }
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
     :: atomic { discard(c, met) }
     :: skip                       /* it crashes, and begins again */
     fi;
next:
     atomic { c = 0; met = 0; readBySweep[s] = false }
  od
}

/* ---- the network between servers and shadow ---- */

#define arrival(m, r) \
  :: atomic { flying[m] && mayWrite(m) -> flying[m] = false; add(commandOf(r), ((r) == 3 -> 2 : 1)); \
       if :: waits[r] -> answer[r] = yes :: true fi } \
  :: atomic { flying[m] && !mayWrite(m) -> flying[m] = false; isCurrent[m] = false; \
       if :: waits[r] -> answer[r] = conflict :: true fi } \
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
#ifdef AGAIN
  arrival(6, 3)
  arrival(7, 3)
#endif
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
  :: atomic { mayProve(c) && phase[c] == prepared -> commit(c, attempt[c]) } \
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
#ifdef AGAIN
    run Server(3);
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
