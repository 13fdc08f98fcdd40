/* The switch of one row of django_celery_beat: who runs each tick. See README.md in this folder.
   Each inline named after a function in Sources/Cutover/DjangoBeat/SQL is one atomic step, as the function is. */

#ifndef TICKS
#define TICKS 2      /* the last tick; tick t is due from now == t on */
#endif
#ifndef OPERATORS
#define OPERATORS 1
#endif
#ifndef OPERATIONS
#define OPERATIONS 2 /* cutovers and rollbacks of each operator */
#endif
#ifndef RESTARTS
#define RESTARTS 1   /* times beat is stopped, while the next one starts already */
#endif
#ifndef SAVES
#define SAVES 1      /* times the application saves the row as it had read it, or enabled */
#endif

#define WINDOWS 5
#define OPEN 14
#define LEGACY 1
#define CLOSING 2
#define AIRFLOW 3

/* The row, as it lies in the table. `open` is its `enabled`, `parked` is a start_time in 2100. */
bool open = true; bool parked = false; byte last = 0;
/* Whether the change mark has grown since a beat looked at it last, by which it knows that it is to load. */
bool told[3];
/* The witness: whether one is there, and whether beat has disabled it. */
bool witness = false; bool disabled = false;
/* The switch. */
byte state = LEGACY; bool heal = false; byte round = 0;
byte last_legacy = 0; byte last_claim = 0; byte shadowed = 0;
byte windows = 0; byte from[WINDOWS]; byte until[WINDOWS];
bool claimed[TICKS + 1];
/* The record of who decided each tick. */
bool by_legacy[TICKS + 1]; bool by_airflow[TICKS + 1];

byte now = 0;
byte turn = 1; byte restarts = RESTARTS; byte saves = SAVES;
/* Which beats run: a mark is made again only when none of them is to take notice of the last. */
bool runs[3];
#define is_noticed ((!runs[1] || !told[1]) && (!runs[2] || !told[2]))

byte i = 0;

/* Beat is told: the mark grows, and a witness waits for whoever loads. */
inline tell() {
  told[1] = runs[1]; told[2] = runs[2];
  witness = (state == CLOSING); disabled = false
}

#ifdef NO_TRIGGER
#define guards false
#else
#define guards true
#endif

/* What the trigger makes of a write of the row. */
inline write(is_open, a_parked, a_last) {
  if
  :: guards && state == LEGACY -> parked = false; last = a_last
  :: guards && state != LEGACY ->
     parked = is_open;
     if
     :: state == CLOSING && last > a_last -> skip
     :: else -> last = a_last
     fi
  :: !guards -> parked = a_parked; last = a_last
  fi;
  open = is_open
}

inline close() {
  state = CLOSING; heal = false; round = 0;
  if :: open -> parked = true :: else fi;
  tell()
}

/* Beat was seen to load what was there at the last mark. */
#ifdef NO_FENCE
#define is_seen true
#else
#define is_seen (witness && disabled)
#endif
#ifdef ONE_LOAD
#define is_loaded is_seen
#else
#define is_loaded (is_seen && round == 1)
#endif
#ifdef NO_SHADOWED
#define is_heard true
#else
#define is_heard (shadowed <= last)
#endif

/* A try to close ends as if it had not been; the application's own `false` stays. */
inline give_back_closing() {
  parked = false; state = LEGACY; tell()
}

inline settle() {
  if
  :: state == CLOSING && is_loaded ->
     if
     :: !heal && !is_heard -> give_back_closing()
     :: !heal && is_heard ->
        from[windows] = last + 1; until[windows] = OPEN; windows++;
        last_legacy = last;
        open = false; parked = false; state = AIRFLOW; witness = false
     :: heal ->
        if
        :: open && last > last_legacy ->
           last_legacy = last;
           /* What beat fired meanwhile is its own: the window goes on after it. */
           if
           :: last_claim + 1 > from[windows - 1] -> kept = last_claim + 1
           :: else -> kept = from[windows - 1]
           fi;
           if
           :: last >= kept ->
              if
              :: kept <= from[windows - 1] -> from[windows - 1] = last + 1
              :: else -> until[windows - 1] = kept; from[windows] = last + 1; until[windows] = OPEN; windows++
              fi
           :: else
           fi
        :: else
        fi;
        open = false; parked = false; state = AIRFLOW; heal = false; witness = false
     fi;
     kept = 0
  :: state == CLOSING && !is_loaded && is_seen -> round = 1; tell()
  :: state == CLOSING && !is_loaded && !is_seen && is_noticed -> tell()
  :: else
  fi
}

inline give_back() {
  if
  :: state == CLOSING && !heal -> give_back_closing()
  :: state == AIRFLOW || (state == CLOSING && heal) ->
     kept = last_legacy;
#ifndef NO_LAST_CLAIM
     if :: last_claim > kept -> kept = last_claim :: else fi;
#endif
     /* What beat has run of a row that something had enabled. */
     if :: open && last > kept -> kept = last :: else fi;
     if
     :: last_claim >= from[windows - 1] -> until[windows - 1] = last_claim + 1
     :: else -> windows = windows - 1
     fi;
     open = true; parked = false; last = kept; state = LEGACY; heal = false;
     kept = 0;
     tell()
  :: else
  fi
}

inline repark() {
  if
  :: state == AIRFLOW && open -> parked = true; state = CLOSING; heal = true; round = 0; tell()
  :: else
  fi
}

/* Which window holds a tick, counted from 1; 0 if none does. */
inline window_of(tick) {
  found = 0; i = 0;
  do
  :: i < windows -> if :: tick >= from[i] && tick < until[i] -> found = i + 1 :: else fi; i++
  :: else -> break
  od;
  i = 0
}

/* One beat: it reads its schedule at its start, and takes what the mark is after that for what it has seen. */
proctype Beat(byte me) {
  bool m_open; bool m_parked; byte m_last; bool dirty = false; bool saw;
  bool o_open; bool o_parked; byte t;
  atomic { turn == me; runs[me] = true;
    m_open = open; m_parked = parked; m_last = last; saw = witness && !disabled }
  atomic { if :: saw && witness -> disabled = true :: else fi; saw = false }
  told[me] = false;
  do
  /* It is told, or five minutes have gone by. */
  :: atomic { told[me] || m_open != open || m_parked != parked || m_last != last -> told[me] = false }
     /* What it has not written yet it writes before it loads. */
     if
     :: dirty -> atomic { o_open = open; o_parked = parked }
                 atomic { write(o_open, o_parked, m_last); dirty = false; o_open = false; o_parked = false }
     :: else
     fi;
     atomic { m_open = open; m_parked = parked; m_last = last; saw = witness && !disabled }
     if
     :: atomic { turn == me && restarts > 0 -> restarts--; turn = 3 - me }
        /* Stopped between the two: the next one may be starting already. */
        atomic { if :: saw && witness -> disabled = true :: else fi; saw = false; runs[me] = false; told[me] = false }
        goto gone
     :: atomic { if :: saw && witness -> disabled = true :: else fi; saw = false }
     fi
  :: atomic { turn == me && m_open && !m_parked && now > m_last ->
       t = m_last + 1;
       do
       :: t <= now ->
          assert(!by_airflow[t]);
          assert(!by_legacy[t]);
          by_legacy[t] = true; t++
       :: else -> break
       od;
       t = 0; m_last = now; dirty = true }
  :: dirty -> atomic { o_open = open; o_parked = parked }
              atomic { write(o_open, o_parked, m_last); dirty = false; o_open = false; o_parked = false }
  :: atomic { turn == me && !dirty && restarts > 0 -> restarts--; turn = 3 - me; runs[me] = false; told[me] = false } goto gone
  od;
gone: skip
}

proctype Operator() {
  byte n = 0; byte kept = 0;
  do
  :: n < OPERATIONS ->
     n++;
     if
     :: atomic { state == LEGACY && open -> close() }
        do
        :: atomic { state == CLOSING -> settle() }
        :: state != CLOSING -> break
        :: break /* it died */
        od
     :: atomic { state != LEGACY -> give_back() }
     :: skip
     fi
  :: else -> break
  od
}

/* The gate of a tick asks until it has an answer. */
proctype Gate(byte tick) {
  byte found; byte kept = 0;
  now >= tick;
  do
  :: atomic { true -> window_of(tick) ->
       if
       :: !found && state == CLOSING && !heal -> settle(); found = 0
       :: !found && !(state == CLOSING && !heal) ->
          if :: tick > shadowed -> shadowed = tick :: else fi; break
       :: found && found == windows && state == CLOSING && heal -> settle(); found = 0
       :: found && found == windows && state == AIRFLOW && open -> repark(); found = 0
       :: else ->
          if
          :: !claimed[tick] ->
             claimed[tick] = true;
             assert(!by_legacy[tick]);
             by_airflow[tick] = true;
             if :: tick > last_claim -> last_claim = tick :: else fi
          :: else
          fi;
          break
       fi }
  od;
  found = 0
}

/* The application saves what it had read, or enables the row. Its last run is what beat has written: one that is older makes beat repeat itself. */
proctype Application() {
  bool o_open;
  do
  :: saves > 0 ->
     saves--;
     if
     :: atomic { o_open = open }
     :: o_open = true
     fi;
     atomic { write(o_open, false, last); told[1] = runs[1]; told[2] = runs[2]; o_open = false }
  :: else -> break
  od
}

/* Whoever comes next completes what was left, or takes the clock away again. */
proctype Watch() {
  byte kept = 0;
end: do
  :: atomic { state == CLOSING && (is_loaded || is_seen || is_noticed) -> settle() }
  :: atomic { state == AIRFLOW && open -> repark() }
  od
}

proctype Clock() {
  do
  :: now < TICKS -> now++
  :: else -> break
  od
}

/* When nothing can happen any more, every tick has been decided; but for a row that the application has disabled by saving what it had read while
   Airflow owned it, which `status` and `watch` say. */
proctype Judge() {
  byte t = 1;
  timeout;
  do
  :: t <= TICKS -> assert(by_legacy[t] || by_airflow[t] || (state == LEGACY && !open)); t++
  :: else -> break
  od
}

init {
  byte n = 1;
  atomic {
    run Beat(1); run Beat(2); run Clock(); run Application(); run Watch(); run Judge();
    do :: n <= TICKS -> run Gate(n); n++ :: else -> break od;
    n = 0;
    do :: n < OPERATORS -> run Operator(); n++ :: else -> break od
  }
}
