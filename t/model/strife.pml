/*
 * Two-phase commit as lib/coord and lib/ledger do it, for one payment id, two
 * banks and one gateway (-DNG=2: two). README.md says what is modelled, which
 * properties hold and how to run this; t/model/run holds every configuration.
 *
 * One step of the model is one step of a core, or what one flush sets free.
 * A journal is kept as the state that replaying it would give: once for what
 * was appended (j, prep, com, ...) and once for what is durable (dj, dprep,
 * dcom, ...). A flush copies the one to the other, a crash the other way.
 */

/* ---- Budgets and features ---- */
#ifndef NG
#define NG 1		/* gateways */
#endif
#ifndef ATTEMPTS
#define ATTEMPTS 2	/* attempts that each gateway starts */
#endif
#ifndef GCRASH
#define GCRASH 0	/* crashes of gateways */
#endif
#ifndef BCRASH
#define BCRASH 0	/* crashes of banks */
#endif
#ifndef CUTS
#define CUTS 0		/* connections cut */
#endif
#ifndef DECIDES
#define DECIDES 0	/* decisions of operators */
#endif
#define LINKS (2 * NG)	/* link 2 * gateway + bank */
#define WINDOW 2	/* requests under way to a bank */
#ifndef CAP
#define CAP 4		/* and answers: nobody ever stops reading */
#endif

/* A branch: the gateway, its epoch, the attempt's number in it. */
#define BRANCH(g) (((g) * 8 + G[g].epoch) * 4 + G[g].n)
#define OWNER(br) ((br) / 32)
#define EPOCH(br) (((br) / 4) % 8)

/*
 * Rules that came out of the model (README.md, What it found). The code follows
 * them; LACKS_ takes one away.
 */
#ifndef LACKS_DURABLE	/* ERR HEURISTIC waits for the operator's record */
#define RULE_DURABLE
#endif
#ifndef LACKS_TRUNCATED	/* that records were lost outlives a restart */
#define RULE_TRUNCATED
#endif
#ifndef LACKS_EPOCH	/* it also concerns branches of the present epoch */
#define RULE_EPOCH
#endif
#ifndef LACKS_TELL	/* a bank tells its gateway what an operator committed */
#define RULE_TELL
#endif
#ifndef LACKS_OWN	/* and no client is told that this is committed */
#define RULE_OWN
#endif

/* ---- Messages ---- */
mtype = { PREPARE, COMMIT, ABORT, R_COMMIT, R_ABORT, R_WAIT,	/* to a bank */
	  R_OVER,
	  YES, NO, BUSY, EXISTS, EXISTS_OWN, REUSED, ACK,	/* to a gateway */
	  C_HEURISTIC, C_GONE, A_HEURISTIC, A_GONE, RESOLVE, RESOLVE_OVER };
chan g2b[LINKS] = [CAP] of { mtype, byte, bit };
chan b2g[LINKS] = [CAP] of { mtype, byte };

/* ---- A gateway ---- */
/* What is live of the payment (enum payment_state), or what is remembered. */
mtype = { NONE, PASSED, PREPARING, COMMITTING, COMMITTED, ENDED, ABORTING,
	  FINAL, HOLDING, HELD };
/* What the journal says of it. */
#define J_NONE 0
#define J_OPEN 1	/* RECEIVED: a restart makes it passed */
#define J_PASSED 2
#define J_HELD 3
#define J_COMMIT 4
#define J_END 5
#define J_FINAL 6
/* enum leg_state */
#define L_IDLE 0
#define L_QUEUED 1
#define L_ASKED 2
#define L_YES 3
#define L_NO 4
#define L_COMMIT 5	/* to be sent */
#define L_SENT 6
#define L_ACKED 7
#define L_OWN 8		/* no: an operator committed a branch of this gateway */

typedef Gateway {
	mtype st;
	byte epoch, n, left;		/* attempts left */
	byte cur;			/* the attempt's branch */
	byte leg[2];
	bit broken;			/* a passing no, while one more votes */
	bit was_held;
	bit cancelling;
	byte j, dj;
	byte cb, dcb;			/* COMMIT's branch */
	bit pl, dpl;			/* RECEIVED's payload */
	bit gen, cgen;			/* which of two lives; COMMIT's */
	byte heur[2], dheur[2];		/* HEURISTIC: the bank's O_ */
	bit truncated, registered[2], waived[2];
#ifdef BUG_RESOLVE_EARLY
	bit recovering;
#endif
}
Gateway G[NG];

/* ---- A bank ---- */
#define O_NONE 0
#define O_COMMIT 1	/* an operator committed it */
#define O_ABORT 2	/* an operator aborted it */
#define O_LATE 3	/* and posted it late */
typedef Bank {
	byte prep, com, last[NG];	/* last: newest branch seen */
	byte over, ob;			/* what an operator did to ob */
	bit pp, cp;			/* payloads of prep and com */
	byte heard;			/* newest record of the gateway's */
	byte dprep, dcom, dlast[NG], dover, dob, dheard;
	bit dpp, dcp;
	byte pv, pa;			/* vote, acknowledgement to be sent */
	bit asked;			/* a RESOLVE is unanswered */
	bit tell, dtell;		/* the decision is to be told */
	bit late;			/* its operator knows it was committed */
	byte seen_epoch;
	byte lost;			/* a durable PREPARED that is gone */
	bit lost_com;			/* a durable COMMITTED that is gone */
	bit fenced;
}
Bank B[2];

/* ---- Connections ---- */
#define DOWN 0
#define BREAKING 1	/* the gateway knows, and has not settled it yet */
#define UP 2
bit alive[LINKS];	/* what is sent arrives */
bit bup[LINKS];		/* the bank's end */
byte gl[LINKS];		/* the gateway's end */

/* ---- What was told to whom, for the properties ---- */
byte decision;		/* the one durable COMMIT: its branch */
bit told_commit, told_final, told_held, told_exists, told_operator[2];
/* Their names, never true: pan prints which one an assert found broken. */
hidden byte agreement, at_most_once, vote_kept, told_truth, final_stays,
	end_true, heuristic_true, same_payload, no_half, one_decision,
	fence_true, capacity;
#define CHECK(what, name) if :: !(what) -> assert(name) :: else fi
byte gcrashes, bcrashes, cuts, decides, waives;
#ifdef LIVE
bit idle;		/* no run ends: fairness sees what is stuck */
#endif

/* ---- Sending ---- */
#define SEND_BANK(l, kind, br, x) \
	if :: alive[l] -> CHECK(len(g2b[l]) < CAP, capacity); g2b[l]!kind,br,x \
	   :: else fi
#define SEND_GATEWAY(l, kind, br) \
	if :: alive[l] -> CHECK(len(b2g[l]) < CAP, capacity); b2g[l]!kind,br \
	   :: else fi
#define ROOM(l) (gl[l] == UP && len(g2b[l]) < WINDOW)
#define DRAIN_G2B(l) do :: len(g2b[l]) > 0 -> g2b[l]?_,_,_ :: else -> break od
#define DRAIN_B2G(l) do :: len(b2g[l]) > 0 -> b2g[l]?_,_ :: else -> break od
/* An ABORT that finds no room is lost without harm. */
#define SEND_ABORT(l, br) \
	if :: ROOM(l) -> SEND_BANK(l, ABORT, br, 0) :: else fi

/* ---- The gateway's steps ---- */
#define G_OF(l) ((l) / 2)
#define I_OF(l) ((l) % 2)
#define TOLD_LEG(g, i) (G[g].leg[i] == L_ASKED || G[g].leg[i] == L_YES)
#define VOTING(g, i) (G[g].leg[i] == L_ASKED || G[g].leg[i] == L_QUEUED)

#define SEND_PREPARE(g, i) \
	if :: ROOM(2*(g)+(i)) -> SEND_BANK(2*(g)+(i), PREPARE, G[g].cur, G[g].pl); \
		G[g].leg[i] = L_ASKED \
	   :: else -> G[g].leg[i] = L_QUEUED fi
#define SEND_COMMIT(g, i) \
	if :: ROOM(2*(g)+(i)) -> SEND_BANK(2*(g)+(i), COMMIT, G[g].cur, G[g].cgen); \
		G[g].leg[i] = L_SENT \
	   :: else -> G[g].leg[i] = L_COMMIT fi

#define BOTH_UP(g) (gl[2*(g)] == UP && gl[2*(g)+1] == UP)
/* attempt_start, where both banks are there */
#define START(g) \
	G[g].left--; G[g].n++; G[g].cur = BRANCH(g); \
	G[g].st = PREPARING; G[g].broken = 0; \
	SEND_PREPARE(g, 0); SEND_PREPARE(g, 1)

#define FORGET_ATTEMPT(g) \
	G[g].leg[0] = L_IDLE; G[g].leg[1] = L_IDLE; G[g].broken = 0
/* attempt_fail: what was asked is told, where there is a connection */
#define UNDO(g) \
	if :: TOLD_LEG(g, 0) -> SEND_ABORT(2*(g), G[g].cur) :: else fi; \
	if :: TOLD_LEG(g, 1) -> SEND_ABORT(2*(g)+1, G[g].cur) :: else fi; \
	FORGET_ATTEMPT(g)
#define RELEASE(g, what) \
	G[g].st = what; G[g].cur = 0; G[g].was_held = 0; G[g].cancelling = 0
#ifdef BUG_FINAL_VOLATILE
#define TELL_FINAL_EARLY told_final = 1
#else
#define TELL_FINAL_EARLY skip
#endif
#define FAIL_FINAL(g) UNDO(g); G[g].j = J_FINAL; G[g].st = ABORTING; \
	TELL_FINAL_EARLY
#define FAIL_PASSED(g) UNDO(g); G[g].j = J_PASSED; RELEASE(g, PASSED)
#ifdef BUG_HELD_DROPPED
#define HOLD_AGAIN(g) FAIL_PASSED(g)
#else
#define HOLD_AGAIN(g) UNDO(g); G[g].j = J_HELD; G[g].cur = 0; G[g].st = HELD
#endif
#ifdef HOLD
#define MAY_HOLD true
#else
#define MAY_HOLD false
#endif
/* A passing reason: held again, or expired meanwhile, or answered. */
#define FAIL_PASSING(g) \
	if :: G[g].was_held -> HOLD_AGAIN(g) \
	   :: G[g].was_held -> FAIL_FINAL(g) \
	   :: !G[g].was_held -> FAIL_PASSED(g) fi
/* The same where a bank is gone: then hold=yes holds. */
#define FAIL_AWAY(g) \
	if :: G[g].was_held -> HOLD_AGAIN(g) \
	   :: G[g].was_held -> FAIL_FINAL(g) \
	   :: !G[g].was_held -> FAIL_PASSED(g) \
	   :: !G[g].was_held && MAY_HOLD -> UNDO(g); G[g].j = J_HELD; \
		G[g].cur = 0; G[g].st = HOLDING \
	fi

/* An operator committed an earlier attempt: that is recorded, and no more. */
#define OVERRULED(g) (G[g].leg[0] == L_OWN || G[g].leg[1] == L_OWN)
#define FAIL_OVERRULED(g) \
	if :: G[g].leg[0] == L_OWN -> G[g].heur[0] = O_COMMIT :: else fi; \
	if :: G[g].leg[1] == L_OWN -> G[g].heur[1] = O_COMMIT :: else fi; \
	FAIL_FINAL(g)
/* All have voted, and one no was passing, or an operator's doing. */
#define FAIL_VOTED(g) \
	if :: OVERRULED(g) -> FAIL_OVERRULED(g) \
	   :: !OVERRULED(g) -> FAIL_PASSING(g) fi

#ifdef BUG_ANSWER_EARLY
#define TELL_COMMIT_EARLY told_commit = 1
#else
#define TELL_COMMIT_EARLY skip
#endif
#ifdef BUG_COMMIT_EARLY
#define COMMIT_EARLY(g) SEND_COMMIT(g, 0); SEND_COMMIT(g, 1)
#else
#define COMMIT_EARLY(g) skip
#endif
#define DECIDE_COMMIT(g) \
	G[g].j = J_COMMIT; G[g].cb = G[g].cur; G[g].cgen = G[g].gen; \
	G[g].st = COMMITTING; TELL_COMMIT_EARLY; COMMIT_EARLY(g)

#ifdef BUG_VOTE_BY_ID	/* a vote for the id counts, whatever its branch */
#define AWAITED(g, i, br) (G[g].st == PREPARING && \
	(G[g].leg[i] == L_ASKED || G[g].leg[i] == L_QUEUED))
#else
#define AWAITED(g, i, br) (G[g].st == PREPARING && (br) == G[g].cur && \
	G[g].leg[i] == L_ASKED)
#endif

#define ON_YES(g, i, br) \
	if :: AWAITED(g, i, br) -> G[g].leg[i] = L_YES; \
		if :: VOTING(g, 1-(i)) -> skip \
		   :: !VOTING(g, 1-(i)) && !G[g].broken -> DECIDE_COMMIT(g) \
		   :: !VOTING(g, 1-(i)) && G[g].broken -> FAIL_VOTED(g) \
		fi \
	   :: else -> SEND_ABORT(2*(g)+(i), br) fi
#define ON_BUSY(g, i, br) \
	if :: AWAITED(g, i, br) -> G[g].leg[i] = L_NO; \
		if :: VOTING(g, 1-(i)) -> G[g].broken = 1 \
		   :: else -> FAIL_VOTED(g) \
		fi \
	   :: else fi
#define ON_NO(g, i, br) \
	if :: AWAITED(g, i, br) -> G[g].leg[i] = L_NO; FAIL_OVERRULED(g) \
	   :: else fi
/* The id is committed, so the bank says: told so, though aborted here. */
#define ON_EXISTS(g, i, br) \
	if :: AWAITED(g, i, br) -> G[g].leg[i] = L_NO; told_exists = 1; \
		FAIL_PASSED(g) \
	   :: else fi
#ifdef RULE_OWN	/* unless an operator did it: the other bank may know better */
#define ON_EXISTS_OWN(g, i, br) \
	if :: AWAITED(g, i, br) -> G[g].leg[i] = L_OWN; \
		if :: VOTING(g, 1-(i)) -> G[g].broken = 1 \
		   :: else -> FAIL_OVERRULED(g) \
		fi \
	   :: else fi
#else
#define ON_EXISTS_OWN(g, i, br) ON_EXISTS(g, i, br)
#endif
#define ON_REUSED(g, i, br) \
	if :: AWAITED(g, i, br) -> G[g].leg[i] = L_NO; \
		if :: OVERRULED(g) -> FAIL_OVERRULED(g) \
		   :: !OVERRULED(g) -> FAIL_PASSED(g) fi \
	   :: else fi

#define ACKNOWLEDGED(g, i) \
	G[g].leg[i] = L_ACKED; \
	if :: G[g].leg[0] == L_ACKED && G[g].leg[1] == L_ACKED -> \
		G[g].j = J_END; FORGET_ATTEMPT(g); RELEASE(g, ENDED) \
	   :: else fi
#define ON_ACK(g, i, br) \
	if :: G[g].st == COMMITTED && br == G[g].cur && G[g].leg[i] == L_SENT -> \
		ACKNOWLEDGED(g, i) \
	   :: else fi
#define ON_C_HEURISTIC(g, i, br) G[g].heur[i] = O_ABORT; ON_ACK(g, i, br)

/* ---- RESOLVE ---- */
#ifdef BUG_RESOLVE_WAITS_NOT
#define UNDECIDED(g) (G[g].st == COMMITTING || G[g].st == ABORTING)
#else
#ifdef BUG_RESOLVE_COMMITTING
#define UNDECIDED(g) (G[g].st == PREPARING || G[g].st == ABORTING)
#else
#define UNDECIDED(g) (G[g].st == PREPARING || G[g].st == COMMITTING || \
	G[g].st == ABORTING)
#endif
#endif
#define RESOLVED_COMMIT(g, br) ((G[g].st == COMMITTED && G[g].cur == br) || \
	(G[g].st == ENDED && G[g].cb == br))
#ifdef BUG_TRUNCATED_NO_WAIT
#define OTHER_UNKNOWN(g, i, br) false
#else
#ifdef RULE_EPOCH
#define MAY_BE_LOST(g, br) true
#else
#define MAY_BE_LOST(g, br) (EPOCH(br) < G[g].epoch)
#endif
#define OTHER_UNKNOWN(g, i, br) (G[g].truncated && MAY_BE_LOST(g, br) && \
	!G[g].registered[1-(i)] && !G[g].waived[1-(i)])
#endif
#define R_UNKNOWN(g, i, br) (EPOCH(br) > G[g].epoch || OTHER_UNKNOWN(g, i, br))
#define R_OPEN(g, i, br) ((UNDECIDED(g) && G[g].cur == br) || \
	(!RESOLVED_COMMIT(g, br) && R_UNKNOWN(g, i, br)))
#define ON_RESOLVE(g, i, br) \
	if :: RESOLVED_COMMIT(g, br) -> \
		SEND_BANK(2*(g)+(i), R_COMMIT, br, G[g].cgen) \
	   :: !RESOLVED_COMMIT(g, br) && R_OPEN(g, i, br) -> \
		SEND_BANK(2*(g)+(i), R_WAIT, br, 0) \
	   :: else -> SEND_BANK(2*(g)+(i), R_ABORT, br, 0) fi
/* A bank asks on about an operator's commit, until that is on record. */
#ifdef BUG_TELL_EARLY	/* it is told before the record is durable */
#define RECORDED(g, i) (G[g].heur[i] == O_COMMIT)
#else
#define RECORDED(g, i) (G[g].dheur[i] == O_COMMIT)
#endif
#define ON_RESOLVE_OVER(g, i, br) \
	if :: RESOLVED_COMMIT(g, br) -> \
		SEND_BANK(2*(g)+(i), R_COMMIT, br, G[g].cgen) \
	   :: !RESOLVED_COMMIT(g, br) && RECORDED(g, i) -> \
		SEND_BANK(2*(g)+(i), R_OVER, br, 1) \
	   :: else -> SEND_BANK(2*(g)+(i), R_OVER, br, 0); \
		if :: R_OPEN(g, i, br) -> skip \
		   :: else -> G[g].heur[i] = O_COMMIT fi \
	fi

/* ---- What a flush of the gateway's journal sets free ---- */
#ifdef BUG_HELD_VOLATILE
#define FLUSH_J(g) if :: G[g].j == J_HELD && G[g].dj != J_HELD -> skip \
	:: else -> G[g].dj = G[g].j fi
#else
#define FLUSH_J(g) G[g].dj = G[g].j
#endif
#ifdef GLOSS	/* a decision may be lost, and another one taken */
#define DECIDED(g) decision = G[g].cb
#else
#define DECIDED(g) CHECK(decision == 0 || decision == G[g].cb, one_decision); \
	decision = G[g].cb
#endif
#define G_DIRTY(g) (G[g].dj != G[g].j || G[g].dcb != G[g].cb || \
	G[g].dpl != G[g].pl || G[g].dheur[0] != G[g].heur[0] || \
	G[g].dheur[1] != G[g].heur[1])
#ifdef BUG_COMMIT_EARLY
#define COMMIT_NOW(g) skip
#else
#define COMMIT_NOW(g) SEND_COMMIT(g, 0); SEND_COMMIT(g, 1)
#endif
#define G_FLUSH(g) \
	FLUSH_J(g); G[g].dcb = G[g].cb; G[g].dpl = G[g].pl; \
	G[g].dheur[0] = G[g].heur[0]; G[g].dheur[1] = G[g].heur[1]; \
	if :: G[g].st == COMMITTING -> G[g].st = COMMITTED; DECIDED(g); \
		told_commit = 1; COMMIT_NOW(g) \
	   :: G[g].st == ABORTING -> told_final = 1; RELEASE(g, FINAL) \
	   :: G[g].st == HOLDING -> G[g].st = HELD; G[g].was_held = 1; \
		told_held = 1 \
	   :: else fi

/* ---- A bank's steps ---- */
#ifdef BUG_VOTE_EARLY
#define VOTE(i, l, br) SEND_GATEWAY(l, YES, br)
#else
#define VOTE(i, l, br) B[i].pv = br
#endif
/* The hold may be refused for a final reason, or for a passing one. */
#ifdef REFUSALS
#define MAY_REFUSE true
#else
#define MAY_REFUSE false
#endif
#define FRESH(i, l, br, x) \
	if :: B[i].prep = br; B[i].pp = x; B[i].last[OWNER(br)] = br; \
		B[i].over = O_NONE; B[i].ob = 0; B[i].asked = 0; \
		VOTE(i, l, br) \
	   :: MAY_REFUSE -> SEND_GATEWAY(l, NO, br) \
	   :: MAY_REFUSE -> SEND_GATEWAY(l, BUSY, br) \
	fi
#ifdef BUG_OVERWRITE	/* another gateway's newer branch supersedes too */
#define NOT_MINE(i, br) false
#else
#define NOT_MINE(i, br) (OWNER(B[i].prep) != OWNER(br))
#endif
#ifdef BUG_SUPERSEDE_PAYLOAD	/* the hold of the older branch is kept */
#define SUPERSEDE(i, l, br, x) B[i].prep = br; B[i].last[OWNER(br)] = br; \
	B[i].asked = 0; VOTE(i, l, br)
#else
#ifdef BUG_SUPERSEDE_NOT	/* votes for the newer, keeps the older */
#define SUPERSEDE(i, l, br, x) VOTE(i, l, br)
#else
#define SUPERSEDE(i, l, br, x) B[i].prep = 0; B[i].asked = 0; \
	FRESH(i, l, br, x)
#endif
#endif
#define PREPARED_AGAIN(i, l, br, x) \
	if :: NOT_MINE(i, br) -> SEND_GATEWAY(l, BUSY, br) \
	   :: !NOT_MINE(i, br) && B[i].prep == br -> \
		CHECK(B[i].pp == x, same_payload); VOTE(i, l, br) \
	   :: !NOT_MINE(i, br) && B[i].prep > br && \
		OWNER(B[i].prep) == OWNER(br) -> SEND_GATEWAY(l, BUSY, br) \
	   :: else -> SUPERSEDE(i, l, br, x) fi
#ifdef RULE_OWN	/* an operator's guess tells another gateway nothing */
#define GUESSED(i, br) (B[i].over == O_COMMIT && OWNER(B[i].com) != OWNER(br))
#else
#define GUESSED(i, br) false
#endif
#define IS_OWN(i, br) (B[i].over == O_COMMIT && OWNER(B[i].com) == OWNER(br))
#define COMMITTED_BEFORE(i, l, br, x) \
	if :: GUESSED(i, br) -> SEND_GATEWAY(l, BUSY, br) \
	   :: !GUESSED(i, br) && OWNER(B[i].com) == OWNER(br) && br < B[i].com -> \
		SEND_GATEWAY(l, BUSY, br) \
	   :: else -> \
		if :: B[i].cp != x -> SEND_GATEWAY(l, REUSED, br) \
		   :: B[i].cp == x && IS_OWN(i, br) -> \
			SEND_GATEWAY(l, EXISTS_OWN, br) \
		   :: B[i].cp == x && !IS_OWN(i, br) -> \
			SEND_GATEWAY(l, EXISTS, br) \
		fi \
	fi
/* An operator's guess at another gateway's branch may have been wrong. */
#define OTHERS_GUESS(i, br) (B[i].over == O_ABORT && \
	OWNER(B[i].ob) != OWNER(br))
#define ENDED_BEFORE(i, l, br, x) \
	if :: OTHERS_GUESS(i, br) || br <= B[i].last[OWNER(br)] -> \
		SEND_GATEWAY(l, BUSY, br) \
	   :: else -> FRESH(i, l, br, x) fi
#ifdef BUG_BANK_FORGETS_ID
#define KNOWN(i) false
#else
#define KNOWN(i) (B[i].com != 0)
#endif
#define ON_PREPARE(i, l, br, x) \
	if :: B[i].prep != 0 -> PREPARED_AGAIN(i, l, br, x) \
	   :: B[i].prep == 0 && KNOWN(i) -> COMMITTED_BEFORE(i, l, br, x) \
	   :: else -> ENDED_BEFORE(i, l, br, x) fi

#ifdef GLOSS
#define HEAR(i, x) B[i].heard = (x) + 1
#else
#define HEAR(i, x) skip
#endif
/* The transfer is posted: once. */
#define POST(i, br) CHECK(B[i].com == 0, at_most_once); B[i].com = br; B[i].cp = B[i].pp; \
	B[i].prep = 0; B[i].pp = 0; B[i].asked = 0
#ifdef BUG_HEURISTIC_ACKED	/* what an operator aborted is acknowledged */
#define COMMIT_OVER_ABORT(i, l, br) SEND_GATEWAY(l, ACK, br)
#else
#define COMMIT_OVER_ABORT(i, l, br) SEND_GATEWAY(l, C_HEURISTIC, br)
#endif
/* SETTLED outcome=commit: the operator was right, and it is as any other. */
#define AGREED(i) \
	if :: B[i].over == O_COMMIT -> B[i].over = O_NONE; B[i].ob = 0; \
		B[i].tell = 0 \
	   :: else fi
#define ON_COMMIT(i, l, br, x) \
	if :: B[i].prep == br -> POST(i, br); HEAR(i, x); B[i].pa = br \
	   :: B[i].prep == 0 && B[i].com == br -> HEAR(i, x); AGREED(i); \
		B[i].pa = br \
	   :: B[i].prep == 0 && B[i].com == 0 && B[i].over == O_ABORT && \
		B[i].ob == br -> B[i].late = 1; \
		COMMIT_OVER_ABORT(i, l, br) \
	   :: else -> SEND_GATEWAY(l, C_GONE, br) fi
#ifdef BUG_ABORT_UNDOES	/* an ABORT takes back what an operator committed */
#define ABORT_OVER_COMMIT(i, l, br) B[i].com = 0; B[i].over = O_NONE; \
	B[i].ob = 0
#else
#define ABORT_OVER_COMMIT(i, l, br) SEND_GATEWAY(l, A_HEURISTIC, br)
#endif
#define ON_ABORT(i, l, br) \
	if :: B[i].prep == br -> B[i].prep = 0; B[i].pp = 0; B[i].asked = 0 \
	   :: B[i].prep == 0 && B[i].com == br && B[i].over == O_COMMIT -> \
		ABORT_OVER_COMMIT(i, l, br) \
	   :: B[i].prep == 0 && B[i].com == br && B[i].over != O_COMMIT -> \
		SEND_GATEWAY(l, A_GONE, br) \
	   :: else fi
#define ON_RESOLVED(i, l, m, br, x) \
	if :: B[i].prep == br && B[i].asked && m == R_COMMIT -> \
		POST(i, br); HEAR(i, x) \
	   :: B[i].prep == br && B[i].asked && m == R_ABORT -> \
		B[i].prep = 0; B[i].pp = 0; B[i].asked = 0 \
	   :: B[i].prep == br && B[i].asked && m == R_WAIT -> B[i].asked = 0 \
	   :: B[i].prep == 0 && B[i].asked && B[i].com == br && \
		m == R_COMMIT -> B[i].asked = 0; HEAR(i, x); AGREED(i) \
	   :: B[i].prep == 0 && B[i].asked && m == R_OVER -> \
		B[i].asked = 0; B[i].tell = (x -> 0 : B[i].tell) \
	   :: else fi
/*
 * What is to be sent when durable ends the turn, so nothing is read before.
 * As built, ERR HEURISTIC does not wait for the operator's record.
 */
#ifdef RULE_DURABLE
#define B_READS(i) (B[i].pv == 0 && B[i].pa == 0 && B[i].over == B[i].dover)
#else
#define B_READS(i) (B[i].pv == 0 && B[i].pa == 0)
#endif

#define B_DIRTY(i) (B[i].dprep != B[i].prep || B[i].dcom != B[i].com || \
	B[i].dover != B[i].over || B[i].dheard != B[i].heard || \
	B[i].dtell != B[i].tell)
#if NG == 2
#define COPY_LAST(to, from) to[0] = from[0]; to[1] = from[1]
#else
#define COPY_LAST(to, from) to[0] = from[0]
#endif
#define B_SAVE(i) \
	B[i].dprep = B[i].prep; B[i].dpp = B[i].pp; B[i].dcom = B[i].com; \
	B[i].dcp = B[i].cp; B[i].dover = B[i].over; B[i].dob = B[i].ob; \
	B[i].dheard = B[i].heard; B[i].dtell = B[i].tell; \
	COPY_LAST(B[i].dlast, B[i].last)
#define B_FLUSH(i) \
	B_SAVE(i); \
	if :: B[i].pv -> SEND_GATEWAY(2*OWNER(B[i].pv)+(i), YES, B[i].pv); \
		B[i].pv = 0 :: else fi; \
	if :: B[i].pa -> SEND_GATEWAY(2*OWNER(B[i].pa)+(i), ACK, B[i].pa); \
		B[i].pa = 0 :: else fi; \
	if :: B[i].over == O_COMMIT -> told_operator[i] = 1 :: else fi
#define B_WAITS(i, l) (len(b2g[l]) < CAP - 1)

/* ---- Links ---- */
/* The bank's end goes: what it owes there is not sent any more. */
#define BANK_END(l) \
	DRAIN_G2B(l); bup[l] = 0; alive[l] = 0; \
	if :: B[I_OF(l)].pv && OWNER(B[I_OF(l)].pv) == G_OF(l) -> \
		B[I_OF(l)].pv = 0 :: else fi; \
	if :: B[I_OF(l)].pa && OWNER(B[I_OF(l)].pa) == G_OF(l) -> \
		B[I_OF(l)].pa = 0 :: else fi; \
	B[I_OF(l)].asked = 0
#ifdef BUG_COMMIT_ONCE
#define COMMIT_AGAIN(l) skip
#else
#define COMMIT_AGAIN(l) \
	if :: G[G_OF(l)].leg[I_OF(l)] == L_SENT -> \
		G[G_OF(l)].leg[I_OF(l)] = L_COMMIT :: else fi
#endif
/* link_break */
#define GATEWAY_END(l) \
	DRAIN_B2G(l); gl[l] = BREAKING; alive[l] = 0; COMMIT_AGAIN(l)
/* settle: the attempt that it had a part in fails */
#define SETTLE(l) \
	gl[l] = DOWN; \
	if :: G[G_OF(l)].st == PREPARING && (VOTING(G_OF(l), I_OF(l)) || \
		G[G_OF(l)].leg[I_OF(l)] == L_YES) -> FAIL_AWAY(G_OF(l)) \
	   :: else fi

/* A proof of a record of the gateway's that it does not have. */
#define BAD_GATEWAY(g, i) (B[i].heard != 0 && \
	!((G[g].j == J_COMMIT || G[g].j == J_END) && \
	B[i].heard == G[g].cgen + 1))
/* A proof, in COMMIT or END, of a record of the bank's that it lost. */
#ifdef BUG_SEQ_ONLY	/* enough was written since, and check is not compared */
#define BAD_BANK(g, i) false
#else
#define BAD_BANK(g, i) \
	(((G[g].j == J_COMMIT || G[g].j == J_END) && B[i].lost == G[g].cb) || \
	(G[g].j == J_END && G[g].heur[i] == O_NONE && B[i].com != G[g].cb))
#endif
#ifdef BUG_NO_GATEWAY_PROOF
#define GATEWAY_FENCES(g, i) false
#else
#define GATEWAY_FENCES(g, i) (BAD_GATEWAY(g, i) && !G[g].waived[i])
#endif
#ifdef RULE_TRUNCATED	/* that a part is lost is journalled */
#define STAYS_TRUNCATED(g) skip
#else
#define STAYS_TRUNCATED(g) G[g].truncated = 0
#endif
/* Both banks have told what they know, or an operator answered for one. */
#define LOSS_OVER(g) \
	if :: (G[g].registered[0] || G[g].waived[0]) && \
		(G[g].registered[1] || G[g].waived[1]) -> G[g].truncated = 0 \
	   :: else fi
/* HELLO and REGISTER: either end may find that somebody lost something. */
#define REGISTER(g, i, l) \
	if :: G[g].epoch < B[i].seen_epoch -> B[i].fenced = 1 \
	   :: else -> \
		B[i].seen_epoch = G[g].epoch; \
		if :: GATEWAY_FENCES(g, i) -> G[g].truncated = 1; \
			G[g].registered[i] = 0; B[i].fenced = 1 \
		   :: !GATEWAY_FENCES(g, i) && BAD_BANK(g, i) -> \
			CHECK(B[i].lost != 0 || B[i].lost_com, fence_true); \
			B[i].fenced = 1 \
		   :: else -> alive[l] = 1; bup[l] = 1; gl[l] = UP; \
			G[g].registered[i] = 1; LOSS_OVER(g) \
		fi \
	fi

/* ---- Crashes ---- */
/* records_apply in replay, then BOOT */
#define REPLAY(g) \
	if :: G[g].j == J_NONE -> G[g].st = NONE; G[g].pl = 0 \
	   :: G[g].j == J_OPEN -> G[g].j = J_PASSED; G[g].st = PASSED \
	   :: G[g].j == J_PASSED -> G[g].st = PASSED \
	   :: G[g].j == J_HELD -> G[g].st = HELD; G[g].was_held = 1 \
	   :: G[g].j == J_COMMIT -> G[g].st = COMMITTED; G[g].cur = G[g].cb; \
		G[g].leg[0] = L_COMMIT; G[g].leg[1] = L_COMMIT \
	   :: G[g].j == J_END -> G[g].st = ENDED \
	   :: G[g].j == J_FINAL -> G[g].st = FINAL \
	fi
#ifdef BUG_RESOLVE_EARLY	/* connections are taken before replay is over */
#define START_UP(g) G[g].recovering = 1
#define READY(g) (!G[g].recovering)
#else
#define START_UP(g) REPLAY(g)
#define READY(g) true
#endif
#ifdef RESTORED	/* --restored leaps; here at most one start is lost */
#define LEAP(g) if :: G[g].truncated -> G[g].epoch++ :: else fi
#else
#define LEAP(g) skip
#endif
#ifdef BUG_EPOCH_STAYS
#define NEW_EPOCH(g) G[g].n = 0
#else
#define NEW_EPOCH(g) G[g].epoch++; G[g].n = 0; LEAP(g)
#endif
#define COMMIT_LOST(g) \
	G[g].dj = J_OPEN; G[g].dcb = 0; G[g].gen = 1; G[g].truncated = 1
/*
 * What may be gone of the gateway's journal: COMMIT; with EPOCH_LOST BOOT too,
 * as in a copy that is older than the last start.
 */
#ifdef EPOCH_LOST
#define GATEWAY_LOSES(g) \
	if :: G[g].gen == 0 && G[g].dj == J_COMMIT && G[g].epoch > 1 && \
		EPOCH(G[g].dcb) == G[g].epoch -> \
		COMMIT_LOST(g); G[g].dj = J_NONE; G[g].epoch = G[g].epoch - 1 \
	   :: skip fi
#else
#ifdef GLOSS
#define GATEWAY_LOSES(g) \
	if :: G[g].gen == 0 && (G[g].dj == J_COMMIT || G[g].dj == J_END) -> \
		COMMIT_LOST(g) \
	   :: skip fi
#else
#define GATEWAY_LOSES(g) skip
#endif
#endif
#ifdef UNMARKED		/* nobody said --restored */
#define MARK(g) G[g].truncated = 0
#else
#define MARK(g) skip
#endif
#define GATEWAY_CRASH(g) \
	STAYS_TRUNCATED(g); GATEWAY_LOSES(g); MARK(g); FORGET_TOLD; \
	G[g].j = G[g].dj; G[g].cb = G[g].dcb; G[g].pl = G[g].dpl; \
	G[g].heur[0] = G[g].dheur[0]; G[g].heur[1] = G[g].dheur[1]; \
	RELEASE(g, NONE); FORGET_ATTEMPT(g); \
	G[g].registered[0] = 0; G[g].registered[1] = 0; \
	G[g].waived[0] = 0; G[g].waived[1] = 0; \
	DRAIN_B2G(2*(g)); gl[2*(g)] = DOWN; alive[2*(g)] = 0; \
	DRAIN_B2G(2*(g)+1); gl[2*(g)+1] = DOWN; alive[2*(g)+1] = 0; \
	NEW_EPOCH(g); START_UP(g); G[g].dj = G[g].j

/* A bank restored from a copy: without its newest durable records. */
#ifdef BLOSS
#define BANK_LOSES(i) \
	if :: B[i].dprep != 0 && B[i].lost == 0 && !B[i].lost_com -> \
		B[i].lost = B[i].dprep; \
		B[i].dprep = 0; B[i].dpp = 0; B[i].dlast[0] = 0 \
	   :: B[i].dcom != 0 && B[i].lost == 0 && !B[i].lost_com -> \
		B[i].lost_com = 1; \
		B[i].dprep = B[i].dcom; B[i].dpp = B[i].dcp; B[i].dcom = 0; \
		B[i].dcp = 0 \
	   :: B[i].dcom != 0 && B[i].lost == 0 && !B[i].lost_com -> \
		B[i].lost = B[i].dcom; \
		B[i].dcom = 0; B[i].dcp = 0; B[i].dlast[0] = 0 \
	   :: skip fi
#else
#define BANK_LOSES(i) skip
#endif
#define BANK_CRASH(i) \
	BANK_LOSES(i); \
	B[i].prep = B[i].dprep; B[i].pp = B[i].dpp; B[i].com = B[i].dcom; \
	B[i].cp = B[i].dcp; B[i].over = B[i].dover; B[i].ob = B[i].dob; \
	B[i].heard = B[i].dheard; B[i].tell = B[i].dtell; \
	COPY_LAST(B[i].last, B[i].dlast); \
	BANK_END(i); \
	if :: NG == 2 -> BANK_END(LINKS - 2 + (i)) :: else fi

/* ---- Clients ---- */
#ifdef PAYLOADS	/* a client that has lost its memory changes the payment */
#define MAY_CHANGE true
#else
#define MAY_CHANGE false
#endif
#define RECEIVE(g) \
	if :: G[g].st == NONE && MAY_CHANGE -> G[g].pl = 1 \
	   :: G[g].st == NONE -> G[g].pl = 0 \
	   :: G[g].st == PASSED -> skip fi; \
	G[g].j = J_OPEN
#ifdef CANCEL
#define MAY_CANCEL(g) (!G[g].cancelling && \
	(G[g].st == NONE || G[g].st == PASSED || G[g].st == HELD))
#else
#define MAY_CANCEL(g) false
#endif
#ifdef BUG_CANCEL_EARLY
#define CANCELLED_EARLY told_final = 1
#else
#define CANCELLED_EARLY skip
#endif


#define CLIENT(g) \
	:: atomic { READY(g) && G[g].left > 0 && BOTH_UP(g) && \
		(G[g].st == NONE || G[g].st == PASSED) -> \
		RECEIVE(g); START(g) } \
	:: atomic { MAY_HOLD && READY(g) && G[g].left > 0 && !BOTH_UP(g) && \
		(G[g].st == NONE || G[g].st == PASSED) -> \
		RECEIVE(g); G[g].j = J_HELD; G[g].st = HOLDING } \
	:: atomic { READY(g) && MAY_CANCEL(g) -> \
		G[g].cancelling = 1; G[g].j = J_FINAL; G[g].st = ABORTING; \
		G[g].cur = 0; CANCELLED_EARLY }
#ifdef BUG_CANCEL_COMMITTING	/* CANCEL while the votes come in says OK */
#define CANCEL_WRONGLY(g) \
	:: atomic { G[g].st == PREPARING -> told_final = 1 }
#else
#define CANCEL_WRONGLY(g)
#endif

/* ---- Operators ---- */
#ifdef BUG_DECIDE_EARLY
#define DECIDED_EARLY(i) told_operator[i] = 1
#else
#define DECIDED_EARLY(i) skip
#endif
#ifdef RULE_TELL
#define TELL(i) B[i].tell = 1
#else
#define TELL(i) skip
#endif
/* POST_LATE: once the bank knows that it was committed. */
#define OPERATOR(i) \
	:: atomic { decides < DECIDES && B[i].prep != 0 -> decides++; \
		B[i].over = O_COMMIT; B[i].ob = B[i].prep; \
		POST(i, B[i].ob); TELL(i); DECIDED_EARLY(i) } \
	:: atomic { decides < DECIDES && B[i].prep != 0 -> decides++; \
		B[i].over = O_ABORT; B[i].ob = B[i].prep; \
		B[i].prep = 0; B[i].pp = 0; B[i].asked = 0 } \
	:: atomic { B[i].over == O_ABORT && B[i].late -> \
		CHECK(B[i].com == 0, at_most_once); B[i].com = B[i].ob; \
		B[i].over = O_LATE; B[i].late = 0 }
#ifdef WAIVE
#define WAIVES(g, i) \
	:: atomic { READY(g) && B[i].fenced && !G[g].waived[i] -> \
		waives = 1; G[g].waived[i] = 1; B[i].fenced = 0; \
		LOSS_OVER(g) }
#else
#define WAIVES(g, i)
#endif

#ifdef GLOSS	/* with the records, what was told is lost: see README.md */
#define FORGET_TOLD told_commit = 0; told_final = 0; told_held = 0; decision = 0
#else
#define FORGET_TOLD skip
#endif
#define GATEWAY_FAULT(g) \
	:: atomic { gcrashes < GCRASH -> gcrashes++; GATEWAY_CRASH(g) }
#define BANK_FAULT(i) \
	:: atomic { bcrashes < BCRASH -> bcrashes++; BANK_CRASH(i) }
#define CUT(l) \
	:: atomic { cuts < CUTS && alive[l] -> cuts++; alive[l] = 0 }

/* What need not happen: clients, operators, faults. */
proctype Environment()
{
	do
	CLIENT(0) CANCEL_WRONGLY(0) GATEWAY_FAULT(0)
	OPERATOR(0) OPERATOR(1)
	BANK_FAULT(0) BANK_FAULT(1) CUT(0) CUT(1)
#if NG == 2
	CLIENT(1) GATEWAY_FAULT(1) CUT(2) CUT(3)
#endif
#ifdef LIVE
	:: idle = 0
#endif
	od
}

/* ---- Time, disks, links: each of these is done sooner or later ---- */
#ifdef BUG_TIMEOUT_COMMITTING
#define TIMEOUT_TOO(g) \
	:: atomic { G[g].st == COMMITTING -> UNDO(g); RELEASE(g, PASSED) }
#else
#define TIMEOUT_TOO(g)
#endif
#ifdef BUG_NO_EXPIRY
#define EXPIRES(g)
#else
#define EXPIRES(g) \
	:: atomic { G[g].st == HELD -> G[g].j = J_FINAL; G[g].st = ABORTING }
#endif
#ifdef BUG_RESOLVE_EARLY
#define RECOVERS(g) \
	:: atomic { G[g].recovering -> G[g].recovering = 0; REPLAY(g) }
#else
#define RECOVERS(g)
#endif
#define GATEWAY_WORK(g) \
	:: atomic { G[g].st == PREPARING -> FAIL_PASSING(g) } \
	:: atomic { G_DIRTY(g) || G[g].st == COMMITTING || \
		G[g].st == ABORTING || G[g].st == HOLDING -> G_FLUSH(g) } \
	:: atomic { READY(g) && G[g].st == HELD && G[g].left > 0 && \
		BOTH_UP(g) -> START(g) } \
	TIMEOUT_TOO(g) EXPIRES(g) RECOVERS(g)
#define BANK_WORK(i) \
	:: atomic { B_DIRTY(i) || B[i].pv || B[i].pa -> B_FLUSH(i) }
#ifdef BUG_UNILATERAL
#define GIVES_UP(i) \
	:: atomic { B[i].prep != 0 -> B[i].prep = 0; B[i].asked = 0 }
#else
#define GIVES_UP(i)
#endif
#define LINK_WORK(g, i, l) \
	:: atomic { G[g].st == PREPARING && G[g].leg[i] == L_QUEUED && \
		ROOM(l) -> SEND_PREPARE(g, i) } \
	:: atomic { G[g].st == COMMITTED && G[g].leg[i] == L_COMMIT && \
		ROOM(l) -> SEND_COMMIT(g, i) } \
	:: atomic { bup[l] && !alive[l] -> BANK_END(l) } \
	:: atomic { gl[l] == UP && !alive[l] -> GATEWAY_END(l) } \
	:: atomic { gl[l] == BREAKING -> SETTLE(l) } \
	:: atomic { !bup[l] && gl[l] == DOWN && !B[i].fenced -> \
		REGISTER(g, i, l) }

proctype Work()
{
	do
	GATEWAY_WORK(0) BANK_WORK(0) BANK_WORK(1) GIVES_UP(0) GIVES_UP(1)
	WAIVES(0, 0) WAIVES(0, 1)
	LINK_WORK(0, 0, 0) LINK_WORK(0, 1, 1)
#if NG == 2
	GATEWAY_WORK(1) LINK_WORK(1, 0, 2) LINK_WORK(1, 1, 3)
#endif
	od
}

/* ---- What is sent, read at both ends, and RESOLVE ---- */
#ifdef BUG_NO_RESOLVE
#define ASKS(g, i, l)
#else
#ifdef BUG_RESOLVE_ANY	/* asks whichever gateway is there */
#define MAY_ASK(g, i) true
#else
#define MAY_ASK(g, i) (OWNER(B[i].prep) == (g))
#endif
#define ASKS(g, i, l) \
	:: atomic { B[i].prep != 0 && B[i].dprep == B[i].prep && \
		!B[i].asked && MAY_ASK(g, i) && bup[l] && B_WAITS(i, l) -> \
		B[i].asked = 1; SEND_GATEWAY(l, RESOLVE, B[i].prep) } \
	:: atomic { B[i].tell && B[i].dover == O_COMMIT && !B[i].asked && \
		OWNER(B[i].com) == (g) && bup[l] && B_WAITS(i, l) -> \
		B[i].asked = 1; SEND_GATEWAY(l, RESOLVE_OVER, B[i].com) }
#endif
#define TRAFFIC(g, i, l) \
	ASKS(g, i, l) \
	:: atomic { gl[l] == UP && len(b2g[l]) > 0 -> b2g[l]?m,br; \
		if \
		:: m == YES -> ON_YES(g, i, br) \
		:: m == NO -> ON_NO(g, i, br) \
		:: m == BUSY -> ON_BUSY(g, i, br) \
		:: m == EXISTS -> ON_EXISTS(g, i, br) \
		:: m == EXISTS_OWN -> ON_EXISTS_OWN(g, i, br) \
		:: m == REUSED -> ON_REUSED(g, i, br) \
		:: m == ACK -> ON_ACK(g, i, br) \
		:: m == C_HEURISTIC -> ON_C_HEURISTIC(g, i, br) \
		:: m == C_GONE -> assert(vote_kept) \
		:: m == A_HEURISTIC -> G[g].heur[i] = O_COMMIT \
		:: m == A_GONE -> assert(agreement) \
		:: m == RESOLVE -> ON_RESOLVE(g, i, br) \
		:: m == RESOLVE_OVER -> ON_RESOLVE_OVER(g, i, br) \
		fi; m = 0; br = 0 } \
	:: atomic { bup[l] && len(g2b[l]) > 0 && B_READS(i) && \
		B_WAITS(i, l) -> g2b[l]?m,br,x; \
		if \
		:: m == PREPARE -> ON_PREPARE(i, l, br, x) \
		:: m == COMMIT -> ON_COMMIT(i, l, br, x) \
		:: m == ABORT -> ON_ABORT(i, l, br) \
		:: else -> ON_RESOLVED(i, l, m, br, x) \
		fi; m = 0; br = 0; x = 0 }

proctype Traffic0()
{
	mtype m; byte br; bit x;

	do
	TRAFFIC(0, 0, 0)
#if NG == 2
	TRAFFIC(1, 0, 2)
#endif
	od
}

proctype Traffic1()
{
	mtype m; byte br; bit x;

	do
	TRAFFIC(0, 1, 1)
#if NG == 2
	TRAFFIC(1, 1, 3)
#endif
	od
}

/* ---- Properties ---- */
#if NG == 2
#define SOME_GATEWAY(f) (f(0) || f(1))
#else
#define SOME_GATEWAY(f) (f(0))
#endif
#define HAS_COMMIT(g) (G[g].dj == J_COMMIT || G[g].dj == J_END)
#define HAS_HELD(g) (G[g].dj == J_HELD || G[g].dj == J_FINAL || HAS_COMMIT(g))
#define BY_OPERATOR(i) (B[i].dover == O_COMMIT)

/* Agreement: only what was decided, unless an operator is on record. */
#define AGREES(i) (B[i].dcom == 0 || B[i].dcom == decision || BY_OPERATOR(i))
/* A yes vote is never forgotten: what was decided can still be carried out. */
#define CAN_DO(i) (decision == 0 || B[i].fenced || \
	((B[i].lost != 0 || B[i].lost_com) && !bup[i]) || \
	B[i].dprep == decision || B[i].dcom == decision || \
	(B[i].dover == O_ABORT && B[i].dob == decision))
/* What a gateway holds for done is done, or on record as not. */
#define DONE(g, i) (G[g].dj != J_END || B[i].dcom == G[g].dcb || \
	G[g].dheur[i] == O_ABORT || B[i].lost != 0 || B[i].lost_com)
/* A HEURISTIC record tells the truth. */
#define TRUE_RECORD(g, i) \
	((G[g].dheur[i] != O_ABORT || B[i].over >= O_ABORT) && \
	(G[g].dheur[i] != O_COMMIT || B[i].over == O_COMMIT))
#define SAME_PAYLOAD (B[0].dcom == 0 || B[1].dcom == 0 || B[0].dcp == B[1].dcp)
#define TOLD_TRUTH ((!told_commit || SOME_GATEWAY(HAS_COMMIT)) && \
	(!told_exists || decision != 0) && \
	(!told_held || told_exists || SOME_GATEWAY(HAS_HELD)) && \
	(!told_operator[0] || B[0].dcom != 0) && \
	(!told_operator[1] || B[1].dcom != 0))
#ifdef GLOSS	/* a decision itself may be lost: but never by half */
#define WHOLE(i) (waives > 0 || B[i].dcom == 0 || BY_OPERATOR(i) || \
	B[1-(i)].dprep == B[i].dcom || B[1-(i)].dcom == B[i].dcom)
#endif

#ifndef LIVE
/* Enabled in no state but a bad one. */
#define NEVER(what, name) :: atomic { !(what) -> assert(name) }
proctype Monitor()
{
	if
	NEVER(SAME_PAYLOAD, same_payload)
#ifdef GLOSS
	NEVER(WHOLE(0) && WHOLE(1), no_half)
#else
	NEVER(AGREES(0) && AGREES(1), agreement)
	NEVER(CAN_DO(0) && CAN_DO(1), vote_kept)
	NEVER(DONE(0, 0) && DONE(0, 1), end_true)
	NEVER(TOLD_TRUTH, told_truth)
#if NG == 2	/* a final no of one gateway does not bind the other */
	NEVER(DONE(1, 0) && DONE(1, 1), end_true)
#else
	NEVER(TRUE_RECORD(0, 0) && TRUE_RECORD(0, 1), heuristic_true)
	NEVER(!told_final || decision == 0, final_stays)
#endif
#endif
	fi
}
#endif

/* Under weak fairness everything ends in this, once faults have ended. */
#define AT_REST(g) (G[g].st == NONE || G[g].st == PASSED || \
	G[g].st == FINAL || G[g].st == ENDED)
#define ON_RECORD(i) \
	((B[i].dover != O_COMMIT || B[i].dcom == decision || \
	G[0].dheur[i] == O_COMMIT) && \
	(B[i].dover != O_ABORT || B[i].dob != decision || \
	G[0].dheur[i] == O_ABORT))
#define SETTLED (B[0].prep == 0 && B[1].prep == 0 && AT_REST(0) && \
	ON_RECORD(0) && ON_RECORD(1))
#ifdef LIVE
ltl settles { <>[] SETTLED }
#endif

init {
	atomic {
		byte k = 0;
		do
		:: k < NG -> G[k].st = NONE; G[k].epoch = 1;
			G[k].left = ATTEMPTS; G[k].registered[0] = 1;
			G[k].registered[1] = 1; k++
		:: else -> break
		od;
		B[0].seen_epoch = 1; B[1].seen_epoch = 1;
		k = 0;
		do
		:: k < LINKS -> alive[k] = 1; bup[k] = 1; gl[k] = UP; k++
		:: else -> break
		od;
		k = 0;
		run Environment(); run Work(); run Traffic0(); run Traffic1();
#ifndef LIVE
		run Monitor();
#endif
	}
}
