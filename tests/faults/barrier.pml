/* The barrier machine as a small model, checked with spin by  python tests/faults/spin.py
 *
 * It is edge/lanes/barrier*.py for a lane with OPEN, CLOSE, both limits, loop, beam, fire and key, in the same
 * order: observe, obey_holds, guard_closing, obey, then what the phase does as time goes on. A sensor is NO, YES
 * or UNKNOWN. Time is left to chance: each timer of the machine is one bit that may be set whenever it could
 * have run out (t_phase: the phase's own; t_clear: the lane has been clear for its time; t_fire: the fire input
 * has been gone for its time; t_rep: an OPEN is to be repeated). Left out: STOP wire, edge, second loop, fleet,
 * schedule, stuck sensors, events, alarms, and more than MAX_WAITING cars.
 *
 * spin.py shows that model and machine are the same: it lets spin walk at random and has every step done again
 * in Python, and lets the Python machine walk at random and has every step done again here.
 *
 * MUTANT_... breaks one promise each; spin must then find the broken one.
 */

#define NO 0
#define YES 1
#define UNKNOWN 2

#define P_UNKNOWN 0
#define CLOSED 1
#define OPENING 2
#define OPEN_WAIT 3
#define PASSING 4
#define OPEN_CLEAR 5
#define CLOSING 6
#define HELD 7
#define FAULT 8

#define UP 0
#define DOWN 1
#define BETWEEN 2
#define BOTH 3      /* limits that contradict each other */
#define BLIND 4

#define ASK_NOTHING 0
#define ASK_OPEN 1
#define ASK_CLOSE 2
#define ASK_STOP 3
#define ASK_HOLD 4
#define ASK_RELEASE 5
#define ASK_LATE 6  /* an OPEN past its deadline */

#define MAX_WAITING 2

/* --- the machine's state */
byte phase = P_UNKNOWN;
byte waiting = 0;
byte fault = 0;               /* 1: open_failed, 2: close_failed */
bool ours, commanded, urgent, occupied, passed;
bool h_fire, h_key, h_remote;
bool is_clear, fire_gone;     /* clear_ns and fire_gone_ns are set */

/* --- one look at the lane; hidden: forgotten after the step */
hidden byte presence, beam, limits, fire, key, ask;
hidden byte t_phase, t_clear, t_fire, t_rep;

/* --- what the step did */
hidden byte sent_open, sent_close, let_go_first;
hidden byte added, had_holds;

/* --- the judge's own books */
bool fire_books, key_books, gone_books;
bool a_cause, was_up, car_books;
bool lowered_onto, fire_let_go;

#define holds (h_fire || h_key || h_remote)
#define open_limit (limits == UP || limits == BOTH -> YES : (limits == BLIND -> UNKNOWN : NO))
#define closed_limit (limits == DOWN || limits == BOTH -> YES : (limits == BLIND -> UNKNOWN : NO))
#define is_down (limits == DOWN)
#define boom_up (phase == OPENING || phase == OPEN_WAIT || phase == PASSING || phase == OPEN_CLEAR || phase == HELD)

#ifdef MUTANT_UNKNOWN_IS_CLEAR
#define sees_nothing (presence != YES && beam != YES)
#else
#ifdef MUTANT_FORGETS_THE_BEAM
#define sees_nothing (presence == NO)
#else
#define sees_nothing (presence == NO && beam == NO)
#endif
#endif
#define may_lower (sees_nothing && !holds && fire == NO && key == NO)

inline enter(where) {
    phase = where;
    t_phase = 0
}

inline raise_boom(where, for_safety) {
#ifndef MUTANT_RAISES_OVER_CLOSE
    if :: !sent_open -> let_go_first = 1 :: else fi;
#endif
    sent_open = 1; sent_close = 0;
    ours = 1; urgent = for_safety; commanded = 0; t_rep = 0;
    enter(where)
}

inline lower_boom() {
    sent_close = 1;
    commanded = 1; urgent = 0;
    enter(CLOSING)
}

inline come_to_rest() {
    waiting = 0; passed = 0; ours = 0; commanded = 0; urgent = 0; fault = 0;
    enter(CLOSED)
}

inline arrive() {
    urgent = 0; fault = 0;
    if
    :: occupied -> enter(PASSING)
    :: !occupied && waiting > 0 -> enter(OPEN_WAIT)
    :: else -> enter(OPEN_CLEAR)
    fi
}

inline goes_down_by_itself(did) {
    did = 0;
    if
    :: is_down -> come_to_rest(); did = 1
    :: !is_down && open_limit == NO && waiting > 0 && passed -> raise_boom(OPENING, 1); did = 1
    :: !is_down && open_limit == NO && !(waiting > 0 && passed) ->
        waiting = 0; commanded = 0; enter(CLOSING); did = 1
    :: else
    fi
}

inline repeat_open() {
    if :: t_rep -> sent_open = 1; t_rep = 0 :: else fi
}

inline observe() {
    if
    :: !sees_nothing -> is_clear = 0
    :: sees_nothing && !is_clear -> is_clear = 1; t_clear = 0
    :: else
    fi;
    if
    :: presence == YES && !occupied -> occupied = 1
    :: presence == NO && beam == NO && occupied ->
        occupied = 0;
        if
        :: boom_up && closed_limit != YES ->
            if :: waiting > 0 -> waiting-- :: else fi;
            passed = 1
        :: else
        fi
    :: else
    fi
}

inline begin_hold() { raise_boom(HELD, 1) }

inline end_hold() {
    is_clear = sees_nothing; t_clear = 0; ours = 1;
    if
    :: occupied -> enter(PASSING)
    :: !occupied && waiting > 0 -> enter(OPEN_WAIT)
    :: else -> enter(OPEN_CLEAR)
    fi
}

inline obey_holds() {
    added = 0; had_holds = holds;
    if
    :: fire == YES -> added = !h_fire; h_fire = 1; fire_gone = 0
#ifdef MUTANT_FORGETS_FIRE_WHEN_UNKNOWN
    :: fire == UNKNOWN && h_fire -> h_fire = 0
#else
    :: fire == UNKNOWN && h_fire -> fire_gone = 0
#endif
    :: fire == NO && h_fire ->
        if
        :: !fire_gone -> fire_gone = 1
        :: fire_gone && t_fire -> fire_gone = 0; h_fire = 0
        :: else
        fi
    :: else
    fi;
    if
    :: key == YES -> added = added || !h_key; h_key = 1
    :: key == NO -> h_key = 0
    :: else
    fi;
    if :: added -> begin_hold() :: else fi;
    if :: had_holds && !holds -> end_hold() :: else fi
}

inline guard_closing() {
    if
    :: phase == FAULT && fault == 2 && !t_phase && (presence == YES || beam == YES) && closed_limit == NO ->
        raise_boom(OPENING, 1)
#ifndef MUTANT_DOES_NOT_WATCH_WHILE_CLOSING
    :: phase == CLOSING && commanded && !may_lower && closed_limit != YES -> raise_boom(OPENING, 1)
#endif
    :: phase == CLOSING && !commanded && (presence == YES || beam == YES) && closed_limit == NO ->
        raise_boom(OPENING, 1)
    :: else
    fi
}

inline obey_open() {
    if
    :: waiting >= MAX_WAITING
    :: else ->
        if :: !boom_up && phase != CLOSING -> waiting = 0; passed = 0 :: else fi;
        waiting++;
        if
        :: phase == HELD
        :: phase == CLOSING -> raise_boom(OPENING, 0)
        :: phase == OPEN_WAIT && !ours && open_limit == YES -> ours = 1; t_phase = 0
        :: phase == OPENING ->
            was_timer = t_phase; raise_boom(OPENING, urgent); t_phase = was_timer
        :: phase == OPEN_WAIT && !(!ours && open_limit == YES) -> raise_boom(OPEN_WAIT, urgent)
        :: phase == PASSING -> raise_boom(PASSING, urgent)
        :: phase == OPEN_CLEAR -> raise_boom(OPEN_WAIT, 0)
        :: phase == P_UNKNOWN || phase == CLOSED || phase == FAULT -> raise_boom(OPENING, 0)
        fi
    fi
}

inline obey() {
    if
    :: ask == ASK_OPEN -> obey_open()
#ifdef MUTANT_IGNORES_DEADLINE
    :: ask == ASK_LATE -> obey_open()
#endif
    :: ask == ASK_CLOSE ->
        if
        :: phase != CLOSED && phase != CLOSING && !holds && phase != OPENING && may_lower && t_clear ->
            waiting = 0; lower_boom()
        :: else
        fi
    :: ask == ASK_STOP ->
        if :: !holds && phase == CLOSING -> raise_boom(OPENING, 0) :: else fi
    :: ask == ASK_HOLD ->
        if :: !h_remote -> h_remote = 1; begin_hold() :: else fi
    :: ask == ASK_RELEASE ->
#ifdef MUTANT_REMOTE_RELEASES_ALL
        if :: holds -> h_fire = 0; h_key = 0; h_remote = 0; end_hold() :: else fi
#else
        if
        :: h_remote -> h_remote = 0; if :: !holds -> end_hold() :: else fi
        :: else
        fi
#endif
    :: else
    fi
}

inline progress() {
    if
    :: phase == P_UNKNOWN ->
        if
        :: limits == DOWN -> come_to_rest()
        :: limits == UP -> ours = 0; enter(OPEN_WAIT)
        :: else
        fi
    :: phase == CLOSED ->
        if
        :: limits == UP -> ours = 0; enter(OPEN_WAIT)
        :: limits == BETWEEN -> enter(P_UNKNOWN)
#ifdef MUTANT_OPENS_FOR_THE_LOOP
        :: presence == YES && limits == DOWN -> raise_boom(OPENING, 1)
#endif
        :: else
        fi
    :: phase == OPENING ->
        if
        :: open_limit == YES || (t_phase && open_limit == UNKNOWN) -> arrive()
        :: open_limit == NO && t_phase -> waiting = 0; fault = 1; urgent = 0; enter(FAULT)
        :: !t_phase && open_limit != YES && urgent -> repeat_open()
        :: else
        fi
    :: phase == OPEN_WAIT ->
        if
        :: occupied -> enter(PASSING)
        :: else ->
            goes_down_by_itself(did);
            if
            :: !did && ours && waiting == 0 -> enter(OPEN_CLEAR)
            :: !did && ours && waiting > 0 && t_phase -> waiting = 0; enter(OPEN_CLEAR)
            :: else
            fi
        fi
    :: phase == PASSING ->
        if
        :: occupied && open_limit == NO && !is_down -> raise_boom(OPENING, 1)
        :: !occupied && (waiting > 0 || !ours) -> enter(OPEN_WAIT)
        :: !occupied && waiting == 0 && ours -> enter(OPEN_CLEAR)
        :: else
        fi
    :: phase == OPEN_CLEAR ->
        if
        :: occupied -> enter(PASSING)
        :: else ->
            goes_down_by_itself(did);
#ifdef MUTANT_DOES_NOT_WAIT_FOR_CLEAR
            if :: !did && ours && may_lower -> lower_boom() :: else fi
#else
            if :: !did && ours && may_lower && t_clear -> lower_boom() :: else fi
#endif
        fi
    :: phase == CLOSING ->
        if
        :: is_down -> come_to_rest()
        :: !is_down && !commanded && open_limit == YES ->
            if :: ours -> enter(OPEN_CLEAR) :: else -> enter(OPEN_WAIT) fi
        :: !is_down && !(!commanded && open_limit == YES) && t_phase ->
            fault = 2; commanded = 0; enter(FAULT)
        :: else
        fi
    :: phase == HELD -> repeat_open()
    :: phase == FAULT ->
        if
        :: fault == 1 && open_limit == YES -> arrive()
        :: fault == 2 && is_down -> come_to_rest()
        :: else
        fi
    fi
}

/* One step of the machine; the same order as BarrierTurn.begin and barrier.advance. */
inline machine() {
    sent_open = 0; sent_close = 0; let_go_first = 0;
#ifdef MUTANT_PULSES_AT_START_UP
    if :: !started -> sent_open = 1 :: else fi;
#endif
    observe();
    obey_holds();
    if :: phase == CLOSING || phase == FAULT -> guard_closing() :: else fi;
    obey();
    progress()
}

/* The promises, by books of the judge's own. */
inline judge_looks() {
    if
    :: fire == YES -> fire_books = 1; gone_books = 0
    :: fire == UNKNOWN -> gone_books = 0
    :: fire == NO && fire_books ->
        if
        :: !gone_books -> gone_books = 1
        :: gone_books && t_fire -> fire_books = 0; gone_books = 0
        :: else
        fi
    :: else
    fi;
    if :: key != UNKNOWN -> key_books = (key == YES) :: else fi;
    if
    :: presence == YES -> car_books = 1
    :: presence == NO && beam == NO -> car_books = 0
    :: else
    fi;
    if :: was_up && car_books && open_limit == NO -> a_cause = 1 :: else fi;
    if :: was_up && (presence == YES || beam == YES) && closed_limit == NO -> a_cause = 1 :: else fi;
    if :: open_limit == YES -> was_up = 1 :: else fi;
    if :: ask != ASK_NOTHING && ask != ASK_LATE || fire_books || key_books -> a_cause = 1 :: else fi;
    before = phase; before_commanded = commanded; could_clear = t_clear;
    signal = (presence != NO || beam != NO || fire != NO || key != NO)
}

inline judge_decides() {
    lowered_onto = sent_close && (presence != NO || beam != NO || fire != NO || key != NO);
    fire_let_go = fire_books && phase != HELD;
    /* SAFE-1 */
    assert(!lowered_onto);
    assert(!sent_close || could_clear);
    assert(!(before == CLOSING && before_commanded && signal && !(closed_limit == YES && fire != YES))
           || (sent_open && let_go_first && !sent_close));
    /* SAFE-2 */
    assert(h_fire == fire_books && h_key == key_books);
    assert(!(fire_books || key_books) || (phase == HELD && !sent_close));
    /* SAFE-3: without a request in time nothing goes up for a visitor */
    assert(!(ask == ASK_LATE && sent_open && !signal && before == CLOSED));
    assert(!(ask == ASK_LATE && waiting > waiting_before));
    /* SAFE-4 */
    assert(!(sent_open || sent_close) || a_cause);
    /* ACC-1 */
    assert(!(before == CLOSED && sent_open) || ask == ASK_OPEN || ask == ASK_HOLD || holds)
}

inline choose_look() {
    if :: presence = NO; beam = NO :: presence = YES; beam = NO :: presence = YES; beam = YES
       :: presence = NO; beam = YES :: presence = UNKNOWN; beam = NO :: presence = NO; beam = UNKNOWN fi;
    if :: limits = UP :: limits = DOWN :: limits = BETWEEN :: limits = BOTH :: limits = BLIND fi;
    if :: fire = NO :: fire = YES :: fire = UNKNOWN fi;
    if :: key = NO :: key = YES :: key = UNKNOWN fi;
    if :: ask = ASK_NOTHING :: ask = ASK_CLOSE :: ask = ASK_STOP :: ask = ASK_HOLD :: ask = ASK_RELEASE
       :: ask = ASK_LATE :: waiting < MAX_WAITING -> ask = ASK_OPEN fi;
    t_phase = 0; t_clear = 0; t_fire = 0; t_rep = 0;
    if :: skip :: phase == OPENING || phase == OPEN_WAIT || phase == CLOSING || phase == FAULT -> t_phase = 1 fi;
    if :: skip :: is_clear && presence == NO && beam == NO -> t_clear = 1 fi;
    if :: skip :: fire_gone && fire == NO -> t_fire = 1 fi;
    if :: skip :: phase == HELD || (phase == OPENING && urgent) -> t_rep = 1 fi
}

#define STATE phase, waiting, fault, ours, commanded, urgent, occupied, passed, h_fire, h_key, h_remote, \
    is_clear, fire_gone
#define LOOK presence, beam, limits, fire, key, ask, t_phase, t_clear, t_fire, t_rep

#ifndef REPLAY
active proctype barrier_lane() {
    byte before, waiting_before;
    bool before_commanded, could_clear, signal, did, was_timer, started;
    do
    :: atomic {
        choose_look();
        waiting_before = waiting;
#ifdef WALK
        printf("S %d %d %d %d %d %d %d %d %d %d %d %d %d\n", STATE);
        printf("I %d %d %d %d %d %d %d %d %d %d\n", LOOK);
#endif
        d_step {
            judge_looks();
            machine();
            judge_decides();
            started = 1;
            waiting_before = 0; before = 0; before_commanded = 0; could_clear = 0; signal = 0;
            did = 0; was_timer = 0
        }
#ifdef WALK
        printf("N %d %d %d %d %d %d %d %d %d %d %d %d %d %d %d\n", STATE, sent_open, sent_close);
#endif
       }
    od
}

ltl safe_1 { [] !lowered_onto }
ltl safe_2 { [] !fire_let_go }
#endif
