/*
 * The uses of a key to several doors, counted in the key's own stream while they are opened in the streams of locks, as
 * SharedDoors.ts, HeldUses.ts and Reservations.ts of packages/core do it, by any number of servers.
 *
 * Each opening is of a door of its own, so nothing but the key brings them together. It reads what is held and what was
 * counted, prepares only past exactly that, and from then on its use is held. Whether the shadow takes the command is
 * chance. Then it is settled, by whoever comes first: the server that opens, unless it crashes, or one that sweeps. What is
 * known may be old at any step. Somebody ends the key at any moment, and looks at nothing that is held.
 *
 * What is checked, in every reachable state (assert) and when nothing moves any more (AtTheEnd):
 *   limit      no more openings are accepted by shadows, and none more are in the log, than the key has uses
 *   ended      nothing is prepared once the key has ended
 *   settled    nothing stays held, and what is counted is what was opened
 *
 * -DNO_… and -DAPART take one protection away: run.sh shows that each is needed. -DUSES is the limit.
 */
#define OPENINGS 3
#ifndef USES
#define USES 2
#endif

mtype = { fresh, prepared, committed, discarded };

/* The key's stream: its version, and what its events come to. */
byte version;
byte used;
bool isEnded;

/* The record of what is held: a bit for each opening. */
byte held;

/* The streams of the locks, and their shadows. */
mtype phase[OPENINGS] = fresh;
bool accepted[OPENINGS];
bool isDecided[OPENINGS];   /* the shadow has the command, or never will: who settles makes sure of that */
byte logged;
byte opened;

#define bit(o) (1 << (o))
#define without(set, o) ((set) & (255 - bit(o)))
#define inAll(set) ((((set) >> 0) & 1) + (((set) >> 1) & 1) + (((set) >> 2) & 1))

#ifdef NO_HELD_COUNT
#define isLeft(o) (seenUsed < USES)
#else
#define isLeft(o) (seenUsed + inAll(without(seenHeld, o)) < USES)
#endif
#ifdef NO_HELD
#define isHeldAsSeen true
#else
#define isHeldAsSeen (held == seenHeld)
#endif
#ifdef NO_VERSION
#define isVersionAsSeen true
#else
#define isVersionAsSeen (version == seenVersion)
#endif
#ifdef NO_COMPARE
#define isFreeAsSeen true
#else
#define isFreeAsSeen (held == seenHeld)
#endif

/* What is settled is settled once. Commit and discard take the use out of what is held as they have read it. */
inline commit(o) {
  do
  :: atomic { phase[o] != prepared -> break }
  :: atomic { phase[o] == prepared -> seenHeld = held; seenVersion = version };
#ifdef APART
     /* First the hold, then the count. */
     atomic { held = without(held, o) };
#endif
     if
     :: atomic {
          phase[o] == prepared && isFreeAsSeen && version == seenVersion ->
          phase[o] = committed;
          held = without(seenHeld, o);
          used++;
          version++;
          logged++;
          assert(logged <= USES);           /* limit */
          break
        }
     :: atomic { phase[o] == prepared && !(isFreeAsSeen && version == seenVersion) }   /* it reads again */
     :: atomic { phase[o] != prepared -> break }
     fi
  od
}

inline discard(o) {
  do
  :: atomic { phase[o] != prepared -> break }
  :: atomic { phase[o] == prepared -> seenHeld = held };
     if
     :: atomic { phase[o] == prepared && isFreeAsSeen -> phase[o] = discarded; held = without(seenHeld, o); break }
     :: atomic { phase[o] == prepared && !(isFreeAsSeen) }
     :: atomic { phase[o] != prepared -> break }
     fi
  od
}

#define orCrash :: goto gone

proctype Opening(byte o) {
  byte seenHeld;
  byte seenUsed;
  byte seenVersion;
  bool seenEnd;

look:
  /* What is held first, and then the key's stream as it is known here. */
  atomic { seenHeld = held };
  if
  orCrash
  :: atomic { seenUsed = used; seenVersion = version; seenEnd = isEnded }
  fi;
  if
  orCrash
  :: atomic { seenEnd || !(isLeft(o)) -> goto gone }
  :: atomic {
       !seenEnd && isLeft(o) ->
       if
       :: isHeldAsSeen && isVersionAsSeen ->
          assert(!isEnded);                 /* ended */
          phase[o] = prepared;
          held = held | bit(o)
       :: else -> goto look
       fi
     }
  fi;
  if
  orCrash
  :: atomic {
       !isDecided[o] ->
       isDecided[o] = true;
       accepted[o] = true;
       opened++;
       assert(opened <= USES)               /* limit */
     }
  :: atomic { !isDecided[o] -> isDecided[o] = true }
  :: atomic { isDecided[o] }
  fi;
  if
  orCrash
  :: accepted[o] -> commit(o)
  :: !accepted[o] -> discard(o)
  fi;
gone:
  atomic { seenHeld = 0; seenUsed = 0; seenVersion = 0; seenEnd = false }
}

/* Whoever meets what is prepared: by then it is certain whether the shadow has it. */
proctype Sweep() {
  byte o;
  byte seenHeld;
  byte seenVersion;

end:
  do
  :: atomic {
       if
       :: phase[0] == prepared -> o = 0
       :: phase[1] == prepared -> o = 1
       :: phase[2] == prepared -> o = 2
       fi;
       isDecided[o] = true
     }
     if
     :: accepted[o] -> commit(o)
     :: !accepted[o] -> discard(o)
     :: skip                                /* it crashes, and begins again */
     fi;
     atomic { o = 0; seenHeld = 0; seenVersion = 0 }
  od
}

proctype End() {
  if
  :: atomic { isEnded = true; version++ }
  :: skip
  fi
}

proctype AtTheEnd() {
  timeout ->
  assert(held == 0);                        /* settled */
  assert(used == opened && logged == opened) /* settled */
#ifdef CAN_BE_USED_UP
  ;
  assert(opened < USES)
#endif
}

init {
  atomic {
    run Opening(0);
    run Opening(1);
    run Opening(2);
    run Sweep();
    run End();
    run AtTheEnd()
  }
}
