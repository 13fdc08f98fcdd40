/* The switch of one RedBeat entry: who runs each tick. See README.md in this folder.
   Each inline named after a script in Sources/Cutover/RedBeat/Scripts is one atomic step, as the script is. */

#ifndef TICKS
#define TICKS 3      /* the last tick; tick t is due from now == t on */
#endif
#ifndef OPERATIONS
#define OPERATIONS 2 /* cutovers and rollbacks of each operator */
#endif
#ifndef RESTARTS
#define RESTARTS 1   /* times a beat may be killed, or stopped, and started again */
#endif
#ifndef OPERATORS
#define OPERATORS 2
#endif
#ifndef BEATS
#define BEATS 2
#endif
#ifndef AHEAD
#define AHEAD 1      /* how far the clock of Airflow's side may be ahead */
#endif

#ifndef HANDS
#define HANDS 0      /* times a hand deletes the lock while a beat holds it, which goes on with what it has loaded */
#endif
#ifndef EDITS
#define EDITS 0      /* times the application writes a definition that nobody planned, as it is or as it loaded it */
#endif

#define PARKED 15
#define OPEN 14
#define WINDOWS 6

#define NONE 0
#define LEGACY 1
#define CLOSING 2
#define AIRFLOW 3

/* What Redis holds: the entry, the lock, the switch, the claims. */
typedef Store {
  bool open;               /* definition: `enabled` */
  bool changed;            /* definition: another than was planned */
  byte last;               /* meta's last_run_at, or PARKED */
  bool far;                /* the zset's score is that of a parked clock: beat does not look at the entry */
  byte holder;             /* of redbeat::lock; 0: nobody */
  byte state; byte fence; bool heal;
  byte last_legacy; byte last_claim;
  byte fence_holder; bool passed; bool gone; /* the lock vanished before it could expire */
  bool kept_changed;       /* the switch keeps another definition than was planned: the application's own */
  byte windows; byte from[WINDOWS]; byte until[WINDOWS];
  byte shadowed;
  bool claimed[TICKS + 1];
  /* The record of who decided each tick; a restored Redis goes on from its own. */
  bool by_legacy[TICKS + 1]; bool by_airflow[TICKS + 1];
#ifdef RESTORE
  bool told[TICKS + 1]
#endif
}
Store redis;
#ifdef RESTORE
Store backup;
/* Ticks whose gate was answered in the stretch of history that the backup does not have. */
bool forgotten[TICKS + 1];
#define is_forgotten(i) forgotten[i]
#else
#define is_forgotten(i) false
#endif
/* Grows when Redis comes back from a backup: a beat between load and fire then finds its connection broken. */
byte epoch = 0;

byte now = 0;
byte restarts = RESTARTS;
byte hands = HANDS;
byte edits = EDITS;
/* The journal, which Redis cannot forget: the fence of the last rollback. */
byte journaled = 0;
/* A tick that any side ever ran, or coalesced with one that it ran. */
bool ever[TICKS + 1];
/* Beats between load and fire, and whether they loaded before the present fence began. */
bool firing[BEATS + 1]; bool stale[BEATS + 1];

#define none_stale (!stale[1] && !stale[BEATS])
/* With no holder at the close: one longest tick, by which whatever was loaded before has been fired. */
#define waited ((redis.fence_holder == 0 || redis.gone) && none_stale)
#ifdef NO_FENCE
#define fence_passed true
#else
#define fence_passed ((redis.passed || waited) && (!redis.gone || none_stale))
#endif

/* A gate that was told `shadow` does not ask again: legacy must have run its tick. */
#ifdef NO_SHADOWED
#define may_close(expected) true
#else
#define may_close(expected) (redis.shadowed <= expected)
#endif
/* A beat that started has opened the entry again, and the leading one may have loaded it. */
#ifdef NO_RECHECK
#define may_settle true
#else
#define may_settle (redis.open == false)
#endif
/* While it closes for the first time, a definition that nobody planned is given back. */
#ifdef UNPLANNED_GOES
#define is_planned true
#else
#define is_planned (!redis.changed || redis.heal || redis.kept_changed)
#endif

inline fence_note(was_closing) {
  /* A fence that begins anew with another holder than before: who held the lock in between may still fire what it had loaded. */
  redis.gone = was_closing && (redis.gone || redis.holder != redis.fence_holder);
  redis.fence_holder = redis.holder; redis.passed = false;
  stale[1] = firing[1]; stale[BEATS] = firing[BEATS]
}

/* The holder extended its lock or let go of it, or it expired: no beat fires what it had loaded before. */
inline lock_moved(b) {
  if
  :: redis.state == CLOSING && redis.fence_holder == b -> redis.passed = true
  :: else
  fi
}

/* A beat that ends lets go of its lock, last of all. A hand that deletes it leaves the same behind. */
inline lock_vanished(b) {
  if
#ifdef HAND_PASSES
  :: redis.state == CLOSING && redis.fence_holder == b -> redis.passed = true
#else
  :: redis.state == CLOSING && redis.fence_holder == b -> redis.gone = true
#endif
  :: else
  fi
}

inline window_of(tick, at) {
  at = 0; i = 0;
  do
  :: i < redis.windows -> if :: tick >= redis.from[i] && tick < redis.until[i] -> at = i + 1 :: else fi; i++
  :: else -> break
  od;
  i = 0
}

inline open_window(first) {
  assert(redis.windows < WINDOWS);
  redis.from[redis.windows] = first; redis.until[redis.windows] = OPEN; redis.windows++
}

inline drop_window() { redis.windows--; redis.from[redis.windows] = 0; redis.until[redis.windows] = 0 }

inline legacy_decides(tick) {
  assert(!redis.by_airflow[tick]);  /* run by both sides */
#if HANDS == 0
  assert(!redis.by_legacy[tick]);   /* run twice by legacy; two beats do so by themselves once a hand has deleted the lock */
#endif
  redis.by_legacy[tick] = true; ever[tick] = true
}

#ifdef RESTORE
#define note_told(tick) if :: answer == shadow || answer == live -> redis.told[tick] = true :: else fi
#else
#define note_told(tick) skip
#endif

inline airflow_decides(tick) {
  assert(!redis.by_legacy[tick]);   /* run by both sides */
  assert(!redis.by_airflow[tick]);  /* claimed twice */
  redis.by_airflow[tick] = true; ever[tick] = true
}

/* close.lua; ok: done. `expected` is the meta that was read, enabled the definition that was read. */
inline close_script(expected, ok) {
  ok = false;
  if
  :: (redis.state == NONE || redis.state == LEGACY) && redis.open && !redis.changed && redis.last == expected &&
     redis.last != PARKED && now <= expected /* not_after: before the next tick */ && may_close(expected) ->
       redis.state = CLOSING; redis.fence++; redis.heal = false; redis.last_legacy = 0; redis.kept_changed = false;
       redis.open = false; fence_note(false); ok = true
  :: else
  fi
}

/* settle.lua */
inline settle_script(fence_read, expected) {
  if
  :: redis.state == CLOSING && redis.fence == fence_read && fence_passed && is_planned ->
       if
       :: !(may_settle) -> redis.open = false; fence_note(true) /* reopened */
       :: may_settle && redis.last == expected ->
            if
            :: !redis.heal ->
                 assert(!redis.changed); /* Airflow owns what nobody planned */
                 open_window(expected + 1); redis.last_legacy = expected
            :: redis.heal && expected != PARKED && redis.windows > 0 ->
                 i = redis.from[redis.windows - 1];
                 if :: redis.last_claim >= i -> i = redis.last_claim + 1 :: else fi;
                 if
                 :: expected >= i ->
                      if
                      :: i > redis.from[redis.windows - 1] -> redis.until[redis.windows - 1] = i
                      :: else -> drop_window()
                      fi;
                      open_window(expected + 1); redis.last_legacy = expected
                 :: else
                 fi;
                 i = 0
            :: else
            fi;
            redis.state = AIRFLOW; redis.heal = false;
            redis.fence_holder = 0; redis.passed = false; redis.gone = false; stale[1] = false; stale[BEATS] = false;
#ifndef ENABLED_ONLY
            redis.last = PARKED; redis.far = true
#else
            redis.far = true
#endif
       :: else
       fi
  :: else
  fi
}

/* repark.lua */
inline repark_script(fence_read, was_open, expected) {
  if
  :: (redis.state == AIRFLOW || redis.state == CLOSING) && redis.fence == fence_read &&
     redis.open == was_open && redis.last == expected && is_planned ->
       /* What the application wrote is kept for the time when it is given back. */
       if :: redis.state == AIRFLOW || redis.heal -> redis.kept_changed = redis.kept_changed || redis.changed :: else fi;
       if
       :: redis.state == AIRFLOW && redis.last == PARKED -> redis.open = false /* tidied, or parked */
       :: redis.state == CLOSING && !redis.open /* a fence that is under way */
       :: else ->
            redis.open = false;
            if
            :: redis.state == AIRFLOW -> redis.heal = true; fence_note(false)
            :: else -> fence_note(true)
            fi;
            redis.state = CLOSING; redis.fence++
       fi
  :: else
  fi
}

/* give_back.lua. What legacy goes on from is computed from three values; all three must be as they were read. */
#ifdef ANY_LEGACY
#define same_legacy(read) true
#else
#define same_legacy(read) (redis.last_legacy == read)
#endif
inline give_back_script(legacy_read, claim_read, expected, new, ok) {
  ok = false;
  if
  :: redis.state == CLOSING || redis.state == AIRFLOW ->
       if
       :: same_legacy(legacy_read) && redis.last_claim == claim_read && redis.last == expected ->
            /* The application may have saved what it loaded while it was closed: that `enabled: false` was Bailey's. */
#ifdef FALSE_STAYS
            if :: !redis.changed -> redis.open = true :: else fi;
#else
            redis.open = true;
#endif
            if
            :: redis.state == CLOSING && !redis.heal
            :: else ->
                 redis.last = new;
                 if
                 :: redis.windows > 0 ->
                      if
                      :: redis.last_claim >= redis.from[redis.windows - 1] ->
                           redis.until[redis.windows - 1] = redis.last_claim + 1
                      :: else -> drop_window()
                      fi
                 :: else
                 fi
            fi;
#ifndef NO_SCORE
            redis.far = false;
#endif
            redis.state = LEGACY; redis.fence++; redis.heal = false;
            redis.fence_holder = 0; redis.passed = false; redis.gone = false; stale[1] = false; stale[BEATS] = false;
#ifdef RESTORE
            journaled = redis.fence;
#endif
            ok = true
       :: else
       fi
  :: else -> ok = true
  fi
}

mtype = { shadow, live, closing, unparked };

/* claim.lua. A run that has its claim is told the same again; here each tick has one run. */
inline claim_script(tick, answer) {
  if
#ifndef ABSENCE_GOES
  :: redis.state == NONE -> answer = shadow; if :: tick > redis.shadowed -> redis.shadowed = tick :: else fi
#else
  :: redis.state == NONE -> answer = live; redis.claimed[tick] = true; airflow_decides(tick)
#endif
  :: redis.state != NONE && redis.claimed[tick] -> answer = live
  :: redis.state != NONE && !redis.claimed[tick] ->
       window_of(tick, at);
       if
       :: at == 0 && redis.state == CLOSING && !redis.heal -> answer = closing
       :: at == 0 && !(redis.state == CLOSING && !redis.heal) ->
            answer = shadow; if :: tick > redis.shadowed -> redis.shadowed = tick :: else fi
       :: at > 0 && at == redis.windows && redis.state == CLOSING && redis.heal -> answer = closing
#ifndef ENABLED_ONLY
       :: at > 0 && at == redis.windows && redis.state == AIRFLOW && redis.last != PARKED -> answer = unparked
#endif
       :: else ->
            answer = live; redis.claimed[tick] = true;
            if :: tick > redis.last_claim -> redis.last_claim = tick :: else fi;
            airflow_decides(tick)
       fi;
       at = 0
  fi
}

/* A beat: starts (and writes the static entry anew), takes the lock, then extends, loads, fires. It may be killed at each step. */
proctype Beat(byte b) {
  byte last, i, seen; bool open;
starting:
  /* Even a standby does this: it has no lock yet. */
  /* What the code says is what was planned; an application that writes anew does so again, or has not. */
  atomic { redis.open = true; redis.changed = false; redis.far = (redis.last == PARKED) };
  do
  :: atomic { redis.holder == 0 -> redis.holder = b; break }
  :: atomic { restarts > 0 -> restarts--; goto starting }
  od;
  do
  /* A tick of beat that could do something: something may be due now or soon, or a fence waits for it. */
  :: atomic { redis.holder == b && (now < TICKS || (redis.open && !redis.far && redis.last < now) ||
                                    (redis.state == CLOSING && !fence_passed)) -> lock_moved(b) };
     if
     :: d_step { !redis.far -> open = redis.open; last = redis.last; firing[b] = true; seen = epoch }
     :: redis.far -> goto ticked
     :: atomic { restarts > 0 -> restarts--; goto killed }
     fi;
     if
     :: atomic { seen != epoch -> last = 0; open = false; seen = 0; firing[b] = false; stale[b] = false; goto starting }
     :: d_step { seen == epoch ->
          /* What beat really does: the run stands for every tick since its last; `meta` is written whatever it holds now. */
          if
          :: open && last < now ->
               i = last + 1;
               do :: i <= now -> legacy_decides(i); i++ :: else -> break od;
               redis.last = now; redis.far = false
          :: else
          fi;
          i = 0; last = 0; open = false; seen = 0; firing[b] = false; stale[b] = false }
     :: atomic { restarts > 0 -> restarts--; last = 0; open = false; seen = 0; firing[b] = false; stale[b] = false; goto killed }
     fi;
ticked: skip
  :: atomic { redis.holder != b -> goto starting } /* its lock is gone: beat stops, and is started again */
  :: atomic { restarts > 0 -> restarts--; lock_vanished(b); redis.holder = 0; goto starting } /* stopped: it lets go */
  od;
killed:
  /* The lock of a dead beat expires, `grace` passes, and something starts it again. */
  atomic { if :: redis.holder == b -> lock_moved(b); redis.holder = 0 :: else fi; goto starting }
}

/* An operator's commands. At each step it may die; the next command goes on from what it finds. */
proctype Operator() {
  byte left = OPERATIONS, fence, last, claim, before, new, i; bool ok;
  do
  :: atomic { left > 0 && redis.state != AIRFLOW && now < TICKS ->
       left--; last = redis.last; ok = false };
     /* cutover */
     if
     :: redis.state == CLOSING /* goes on with what somebody left half done */
     :: else -> atomic { close_script(last, ok); if :: !ok -> goto ended :: else fi }
     fi;
     do
     :: atomic { redis.state == CLOSING && !is_planned ->
          /* Nobody planned it: given back. */
          before = redis.last_legacy; claim = redis.last_claim; last = redis.last;
          give_back_script(before, claim, last, redis.last, ok) };
        goto ended
     :: atomic { redis.state == CLOSING && fence_passed && is_planned -> fence = redis.fence; last = redis.last };
        d_step { settle_script(fence, last) }
     :: redis.state != CLOSING -> break
     :: goto ended /* dies, or is tired of waiting */
     od;
     goto ended
  :: atomic { left > 0 && redis.state != NONE && redis.state != LEGACY -> left--; ok = false };
     /* rollback */
     do
     :: atomic { before = redis.last_legacy; claim = redis.last_claim; last = redis.last; new = redis.last_legacy;
#ifndef NO_LAST_CLAIM
          if :: claim > new -> new = claim :: else fi;
#endif
          if :: last != PARKED && last > new -> new = last :: else fi };
        d_step { give_back_script(before, claim, last, new, ok) };
        if :: ok -> break :: !ok fi
     :: goto ended
     od;
ended:
     atomic { fence = 0; last = 0; claim = 0; before = 0; new = 0; ok = false }
  :: left == 0 -> break
  od
}

/* The gate of the DAG run for one tick. The run is tried again until it has an answer. */
proctype Gate(byte tick) {
  byte fence, last, at, i; bool open; mtype answer;
  now + AHEAD >= tick;
  do
  :: atomic { redis.state != CLOSING || fence_passed ->
       claim_script(tick, answer); note_told(tick) };
     if
     :: answer == shadow || answer == live -> break
     :: atomic { answer == closing && (redis.state != CLOSING || is_planned) -> fence = redis.fence; last = redis.last };
        d_step { settle_script(fence, last); fence = 0; last = 0 }
     :: d_step { answer == closing && redis.state == CLOSING && !is_planned ->
          /* The gate decides as the command does. */
          i = redis.last_legacy; at = redis.last_claim; last = redis.last;
          give_back_script(i, at, last, last, open); i = 0; at = 0; last = 0; open = false }
     :: atomic { answer == unparked -> fence = redis.fence; last = redis.last; open = redis.open };
        d_step { repark_script(fence, open, last); fence = 0; last = 0; open = false }
     fi
  od;
  answer = 0
}

#if HANDS > 0
/* Somebody deletes the lock while its holder lives, perhaps between load and fire. */
proctype Hand() {
  byte b;
  do
  :: atomic { hands > 0 && redis.holder != 0 && redis.state == CLOSING -> hands--; b = redis.holder; lock_vanished(b); redis.holder = 0; b = 0 }
  :: hands == 0 -> break
  :: break
  od
}
#endif

#if EDITS > 0
/* The application saves its entry with another option: as it loaded it, so perhaps with Bailey's own `enabled: false`. */
proctype Application() {
  do
  :: atomic { edits > 0 && (redis.state == CLOSING || redis.state == AIRFLOW) -> edits--; redis.changed = true }
  :: edits == 0 -> break
  :: break
  od
}
#endif

#ifdef OTHERS
/* The gate of the same DAG in another installation of Airflow: the same tick, the same run id. */
proctype Other(byte tick) {
  now + AHEAD >= tick;
  d_step {
    if
#ifdef NO_IDENTITY
    :: redis.state != NONE && redis.claimed[tick] -> assert(!redis.by_airflow[tick]) /* it runs what the first has run */
#endif
    :: else /* it is told `shadow`, and the tick stays as it was */
    fi
  }
}
#endif

proctype Clock() {
  do :: now < TICKS -> now++ :: else -> break od
}

#ifdef RESTORE
inline copy(into, source) {
  into.open = source.open; into.last = source.last; into.far = source.far; into.holder = 0; /* the lock has expired meanwhile */
  into.state = source.state; into.fence = source.fence; into.heal = source.heal;
  into.last_legacy = source.last_legacy; into.last_claim = source.last_claim;
  into.fence_holder = source.fence_holder; into.passed = source.passed; into.gone = source.gone;
  into.changed = source.changed; into.kept_changed = source.kept_changed; into.windows = source.windows; into.shadowed = source.shadowed;
  i = 0;
  do :: i < WINDOWS -> into.from[i] = source.from[i]; into.until[i] = source.until[i]; i++ :: else -> break od;
  i = 0;
  do
  :: i <= TICKS ->
       into.claimed[i] = source.claimed[i]; into.by_legacy[i] = source.by_legacy[i]; into.by_airflow[i] = source.by_airflow[i];
       into.told[i] = source.told[i]; i++
  :: else -> break
  od;
  i = 0
}

/* Redis is stopped and comes back as it was at some earlier moment. */
proctype Restorer() {
  byte i;
  d_step { copy(backup, redis) };
  if
  :: d_step {
       i = 1;
       do :: i <= TICKS -> forgotten[i] = redis.told[i] && !backup.told[i]; i++ :: else -> break od;
       copy(redis, backup); epoch++;
       /* The lock of the past expired long ago, and with it passes a fence that watched it. */
       if :: redis.state == CLOSING -> redis.passed = true :: else fi }
  :: true
  fi
}
#endif

#ifdef RESTORE
#define is_forgotten_rollback (journaled > redis.fence && (redis.state == AIRFLOW || redis.state == CLOSING))
/* `watch`, or the next command: the journal knows of a rollback that Redis has forgotten, and it is given back again. */
proctype Watch() {
  byte before, claim, last, new, i; bool ok;
end:
  do
#ifndef NO_JOURNAL
  :: atomic { is_forgotten_rollback ->
       before = redis.last_legacy; claim = redis.last_claim; last = redis.last; new = before;
       if :: claim > new -> new = claim :: else fi;
       if :: last != PARKED && last > new -> new = last :: else fi;
       give_back_script(before, claim, last, new, ok);
       if :: redis.fence < journaled -> redis.fence = journaled :: else fi;
       before = 0; claim = 0; last = 0; new = 0; ok = false }
#endif
  :: false -> break
  od
}
#endif

/* When nothing can happen any more, every tick has been decided. */
proctype Judge() {
  byte i;
  timeout;
  d_step {
    assert(now == TICKS);
#ifdef RESTORE
    assert(!is_forgotten_rollback); /* a rollback that was done and is no more */
#endif
    i = 1;
    do :: i <= TICKS -> assert(ever[i] || is_forgotten(i)); i++ :: else -> break od
  }
}

init {
  byte t;
  atomic {
    redis.open = true;
    run Beat(1);
    if :: BEATS == 2 -> run Beat(2) :: else fi;
    run Operator();
    if :: OPERATORS == 2 -> run Operator() :: else fi;
    t = 1;
    do :: t <= TICKS -> run Gate(t); t++ :: else -> break od;
    t = 0;
    run Clock(); run Judge();
#if HANDS > 0
    run Hand();
#endif
#if EDITS > 0
    run Application();
#endif
#ifdef OTHERS
    t = 1;
    do :: t <= TICKS -> run Other(t); t++ :: else -> break od;
    t = 0;
#endif
#ifdef RESTORE
    run Restorer(); run Watch()
#endif
  }
}
