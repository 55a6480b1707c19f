/*
 * One key of one lock: what the log says shall be on the hardware, what the lock has said is there, and what is there.
 * As Hardware.ts, DecideKeys.ts and Reconciler.ts of packages/core do it, by any number of servers.
 *
 * A user adds and removes the key as they like. An addition is in the log and in the shadow, or in neither, and so is what
 * a reconciler sends: that is the two-step append, which has a model of its own, and is one step here. The removal is an
 * intent: it is in the log at once, and is sent afterwards. An addition that it overtakes is taken out of the shadow, some
 * time later. The device is away between any two of its steps, fails before or after it has done something, and its reports
 * come late, more than once, and in any order.
 *
 * What is checked, whenever the device acts or a report is taken in (assert) and when nothing moves any more (AtTheEnd):
 *   gone      where the log says that the key is not on the hardware, it is not
 *   there     where the log says that it is, and nobody has sent a removal, it is
 *   asked     an addition is sent only for a wanted key, and a removal only for one that is not
 *   agrees    in the end wanted, confirmed and the hardware are the same
 *
 * -DNO_… takes one protection away: run.sh shows that each is needed. -DUSED begins with a thing of which nobody knows
 * what is on it. -DLISTS=n lets the device say n times whether it holds the key, with the command that it ended last; these
 * lists too come late, more than once, and in any order.
 */
#ifndef COMMANDS
#define COMMANDS 5
#endif
#ifndef CHANGES
#define CHANGES 3    /* by the user: an addition, a removal, an addition */
#endif
#ifndef FAILURES
#define FAILURES 1   /* of the device */
#endif
#define NONE 255

mtype = { addition, removal, no, unknown, yes, done, failed };

/* The log. */
bool wanted;
mtype confirmed = no;
byte version;
byte sent;                    /* commands so far; their order is that in which they were decided */
mtype type[COMMANDS];
bool open[COMMANDS];          /* its outcome is waited for */
bool overtaken[COMMANDS];     /* an addition that is to be taken out of the shadow */

/* The shadow. */
bool held[COMMANDS];
bool wasHeld[COMMANDS];
bool reported[COMMANDS];      /* ever: a report may be taken in long after it was made, and again */

/* The device. */
bool isThere;
bool document[COMMANDS];      /* the newest one that it has heard */
bool ran[COMMANDS];
mtype outcome[COMMANDS];
byte failures;
#ifdef LISTS
byte lastRan = NONE;          /* the command that it ended last */
byte lists;
bool listHolds[LISTS];
byte listAfter[LISTS];
#endif

byte i;
bool isAlone;

#define isOpen(t) ((open[0] && type[0] == t) || (open[1] && type[1] == t) || (open[2] && type[2] == t) || \
                   (open[3] && type[3] == t) || (open[4] && type[4] == t))
/* Something of the key is, or may be, or may yet come, on the hardware. */
#define mayHold (confirmed != no)

#define needsRemoval (!wanted && mayHold && !isOpen(removal))
#define needsAddition (wanted && confirmed != yes && !isOpen(addition))

inline send(t) {
  assert((t == addition) == wanted);            /* asked */
  isAlone = true;
#ifndef NO_ORDER
  i = 0;
  do :: i < sent -> if :: open[i] -> open[i] = false; isAlone = false :: else fi; i++ :: else -> break od;
#endif
  type[sent] = t;
  open[sent] = true;
  held[sent] = true;
  wasHeld[sent] = true;
#ifndef NO_UNKNOWN
  if :: t == addition && !(confirmed == yes && isAlone) -> confirmed = unknown :: else fi;
#endif
  sent++;
  version++
}

inline check() {
  assert(mayHold || !isThere);                               /* gone */
  assert(confirmed != yes || isOpen(removal) || isThere)     /* there */
}

/* ---- who changes what is wanted ---- */

proctype User() {
  byte changes;
end:
  do
  :: atomic { changes < CHANGES && !wanted && sent < COMMANDS -> wanted = true; send(addition); changes++ }
  :: atomic { changes < CHANGES && wanted ->
       wanted = false; version++; changes++;
       i = 0;
       do
       :: i < sent ->
          if :: open[i] && type[i] == addition -> open[i] = false; overtaken[i] = true :: else fi;
          i++
       :: else -> break
       od;
       check()
     }
  :: break
  od
}

/* ---- what is sent afterwards: by the server that was asked, and by the one that looks after all of them ---- */

#ifdef NO_VERSION
#define isCurrent(v) true
#else
#define isCurrent(v) (version == (v))
#endif

proctype Reconciler() {
  byte at;
  mtype todo;
end:
  do
  :: atomic { needsRemoval && sent < COMMANDS -> todo = removal; at = version }
     if
     :: atomic { isCurrent(at) && sent < COMMANDS -> send(todo); at = 0 }
     :: atomic { true -> at = 0 }                             /* it crashes, or somebody was quicker */
     fi
  :: atomic { needsAddition && sent < COMMANDS -> todo = addition; at = version }
     if
     :: atomic { isCurrent(at) && sent < COMMANDS -> send(todo); at = 0 }
     :: atomic { true -> at = 0 }
     fi
  od
}

/* ---- the shadow ---- */

#define takes(c) :: atomic { overtaken[c] && held[c] -> held[c] = false }
#define drops(c) :: atomic { held[c] && open[c] && type[c] == removal && !reported[c] -> held[c] = false }

proctype TakeOut() {
end:
  do
  takes(0) takes(1) takes(2) takes(3) takes(4)
#ifdef NO_STAYING
  drops(0) drops(1) drops(2) drops(3) drops(4)
#endif
  od
}

/* ---- the device ---- */

#ifdef NO_SEQ
#define isNext(c) (document[c] && !ran[c])
#else
#define isNext(c) (document[c] && !ran[c] && !earlier(c))
#endif
#define waits(c) (document[c] && !ran[c])
#define earlier(c) ((c > 0 && waits(0)) || (c > 1 && waits(1)) || (c > 2 && waits(2)) || (c > 3 && waits(3)))

#ifdef LISTS
#define ended(c) lastRan = c
#else
#define ended(c) skip
#endif

#define runs(c) \
  :: atomic { isNext(c) -> ran[c] = true; ended(c); \
       if \
       :: isThere = (type[c] == addition); outcome[c] = done \
       :: failures < FAILURES -> failures++; outcome[c] = failed \
       :: failures < FAILURES -> failures++; isThere = (type[c] == addition); outcome[c] = failed \
       fi; \
       check() } \
  :: atomic { ran[c] && !reported[c] -> reported[c] = true }

#define isNews (document[0] != held[0] || document[1] != held[1] || document[2] != held[2] || \
                document[3] != held[3] || document[4] != held[4])
#ifdef NO_NEWEST
#define old(c) :: atomic { wasHeld[c] && !document[c] && !ran[c] -> document[c] = true }
#endif

proctype Device() {
end:
  do
  :: atomic { isNews ->
       document[0] = held[0]; document[1] = held[1]; document[2] = held[2]; document[3] = held[3]; document[4] = held[4] }
#ifdef NO_NEWEST
  old(0) old(1) old(2) old(3) old(4)
#endif
  runs(0) runs(1) runs(2) runs(3) runs(4)
#ifdef LISTS
  :: atomic { lists < LISTS -> listHolds[lists] = isThere; listAfter[lists] = lastRan; lists++ }
#endif
  od
}

/* ---- reports: recorded while they are waited for, then cleared ---- */

/* Of a key only the newest command is waited for. What was sent before it has ended before it. */
inline record(c) {
  open[c] = false;
  version++;
  if
  :: outcome[c] == done -> confirmed = (type[c] == addition -> yes : no)
#ifdef NO_FAILURE
  :: outcome[c] == failed -> confirmed = (type[c] == addition -> unknown : no)
#else
  :: outcome[c] == failed -> confirmed = unknown
#endif
  fi;
  check()
}

/* A list counts that was made after the last command that was sent, and while no answer is waited for. */
#ifdef LISTS
#ifdef NO_AFTER
#define counts(l) (!isOpen(addition) && !isOpen(removal))
#else
#define counts(l) (!isOpen(addition) && !isOpen(removal) && \
                   ((sent == 0 && listAfter[l] == NONE) || (sent > 0 && listAfter[l] == sent - 1)))
#endif
#define isNew(l) ((listHolds[l] && confirmed != yes) || (!listHolds[l] && confirmed == yes) || \
                  (!listHolds[l] && !wanted && confirmed == unknown))
#define takes_in(l) \
  :: atomic { lists > l && counts(l) && isNew(l) -> \
       confirmed = (listHolds[l] -> yes : (wanted -> unknown : no)); version++; check() }
#endif

#define intake(c) \
  :: atomic { reported[c] && open[c] -> record(c) } \
  :: atomic { reported[c] && !open[c] && held[c] -> held[c] = false }

proctype Reports() {
end:
  do
  intake(0) intake(1) intake(2) intake(3) intake(4)
#ifdef LISTS
  takes_in(0)
#if LISTS > 1
  takes_in(1)
#endif
#endif
  od
}

/* Nothing moves any more. With no commands left to send, there is no saying how it ends. */
proctype AtTheEnd() {
  timeout ->
#ifdef CAN_BE_DONE
  assert(!(sent >= 3 && confirmed == yes));
#endif
  if
  :: sent == COMMANDS && (needsAddition || needsRemoval)
  :: else -> assert(isThere == wanted && (confirmed == yes) == wanted && mayHold == wanted)   /* agrees */
  fi
}

init {
  atomic {
#ifdef USED
    confirmed = unknown;
    if :: isThere = true :: isThere = false fi;
#endif
    run User();
    run Reconciler();
#ifdef TWO
    run Reconciler();
#endif
    run TakeOut();
    run Device();
    run Reports();
    run AtTheEnd()
  }
}
