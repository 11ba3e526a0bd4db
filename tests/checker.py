"""Reads the database after a storm and says which promises were broken. Shares no code with what it checks."""

import hashlib
import json
from collections import defaultdict

import psycopg
import rfc8785

DECIDED = ("released", "executed", "failed", "skipped", "compensated")
ENDED = ("expired", "cancelled", "superseded")
STANDS = "d.undone_at IS NULL AND d.recalled_at IS NULL"


def check(url: str) -> list[str]:
    """Every violation found, in words; empty when all invariants hold."""
    with psycopg.connect(url) as db:
        return [
            *one_decision(db),
            *every_stage(db),
            *shown_is_decided(db),
            *deadlines(db),
            *chains(db),
            *seals(db),
            *fail_closed(db),
            *decision_documents(db),
            *pre_approvals(db),
            *permits(db),
            *recalls(db),
        ]


def one_decision(db: psycopg.Connection) -> list[str]:
    """I2: at most one standing decision, and exactly one where something is decided."""
    rows = db.execute(
        f"""SELECT a.id, a.status, a.verdict, count(d.id), min(d.verdict) FROM approvals_approval a
           LEFT JOIN approvals_decision d ON d.approval_id = a.id AND {STANDS} GROUP BY a.id"""  # noqa: S608
    )
    violations = []
    for pk, status, verdict, standing, decided in rows:
        if status in (*DECIDED, "held") and (standing != 1 or verdict != decided):
            violations.append(
                f"I2: approval {pk} is {status} ({verdict}) with {standing} standing decisions ({decided})"
            )
        if status in ("pending", "recalled", *ENDED) and standing:
            violations.append(f"I2: approval {pk} is {status} but {standing} decisions stand")
    short = db.execute(
        """SELECT a.id FROM approvals_approval a WHERE a.source = 'human' AND a.verdict IN ('approve', 'modify')
           AND a.approvers > 1 AND (SELECT count(DISTINCT v.user_id) FROM approvals_vote v WHERE v.approval_id = a.id
           AND v.revision = a.revision AND v.round = a.round) < a.approvers"""
    )
    return violations + [f"I2: approval {pk} was approved by too few people" for (pk,) in short]


def every_stage(db: psycopg.Connection) -> list[str]:
    """I3 and I8: what stages lead through runs with the approvals of each of them, all of different people."""
    rows = db.execute(
        """SELECT a.id, a.status, a.stages, a.stage, a.tier_id, a.domain_id, a.approvers, a.source, a.verdict,
                  (SELECT json_agg(json_build_array(v.stage, v.user_id)) FROM approvals_vote v
                   WHERE v.approval_id = a.id AND v.revision = a.revision AND v.round = a.round)
           FROM approvals_approval a WHERE a.stages <> '[]'::jsonb"""
    )
    violations = []
    for pk, status, stages, at, tier, domain, approvers, source, verdict, cast in rows:
        votes = cast or []
        if len({user for _, user in votes}) != len(votes):
            violations.append(f"I8: one person approved {pk} twice")
        now = stages[at]
        if (now["tier"], now["domain"], now["approvers"]) != (tier, domain, approvers):
            violations.append(f"I8: approval {pk} is in stage {at + 1}, and waits in tier {tier} of {domain}")
        passed = len(stages) if status in (*DECIDED, "held", "recalled") and verdict in ("approve", "modify") else at
        for number, stage in enumerate(stages[:passed]):
            if sum(one == number for one, _ in votes) < stage["approvers"]:
                violations.append(
                    f"I3: approval {pk} left stage {number + 1} without its {stage['approvers']} approvals"
                )
        if passed == len(stages) and source != "human":
            violations.append(f"I3: approval {pk} has stages and was approved by {source}")
    return violations


def shown_is_decided(db: psycopg.Connection) -> list[str]:
    """I4: the digest of the row is that of the revision it shows, and of the arguments stored there."""
    rows = db.execute(
        """SELECT a.id, a.digest, p.digest, a.revision, p.revision, g.name, p.name, p.args, a.subject, a.item_type,
                  p.attachments, p.steps, (v.snapshot -> 'types' -> a.action_type_id ->> 'schema_version')::int
           FROM approvals_approval a JOIN approvals_proposal p ON p.id = a.proposal_id
           JOIN approvals_agent g ON g.id = a.agent_id JOIN approvals_policyversion v ON v.number = a.policy_id"""
    )
    violations = []
    for pk, digest, shown, revision, of, agent, action, args, subject, item_type, beside, steps, version in rows:
        if (digest, revision) != (shown, of):
            violations.append(f"I4: approval {pk} shows revision {of}, and decides revision {revision}")
        if item_type == "plan":
            args, action = {"steps": steps}, "plan"
        if item_type in ("action", "plan"):
            content = {"agent": agent, "action": action, "schema_version": version, "args": args, "subject": subject}
            if beside:
                content["attachments"] = [file["digest"] for file in beside]
            if "sha256:" + hashlib.sha256(rfc8785.dumps(content)).hexdigest() != digest:
                violations.append(f"I4: the arguments of approval {pk} are not those of its digest")
    return violations


def deadlines(db: psycopg.Connection) -> list[str]:
    """I5: nothing pending is more than ten seconds past its end; nothing expired before it."""
    late = db.execute(
        "SELECT id FROM approvals_approval WHERE status = 'pending' AND expires_at < now() - interval '10 s'"
    )
    early = db.execute(
        """SELECT a.id FROM approvals_approval a JOIN approvals_auditevent e
           ON e.approval_id = a.id AND e.kind = 'expired'
           WHERE e.at < a.expires_at"""
    )
    after = db.execute(
        """SELECT id FROM approvals_approval WHERE source = 'human' AND expires_at IS NOT NULL
           AND decided_at >= expires_at"""
    )
    return [
        *(f"I5: approval {pk} is overdue" for (pk,) in late),
        *(f"I5: approval {pk} expired early" for (pk,) in early),
        *(f"I5: approval {pk} was decided after its end" for (pk,) in after),
    ]


def chains(db: psycopg.Connection) -> list[str]:
    """I7: every approval's events are numbered without a gap and each follows from the one before."""
    events = defaultdict(list)
    for pk, seq, kind, actor, facts, state, at, digest in db.execute(
        """SELECT approval_id, seq, kind, actor, facts, state, at AT TIME ZONE 'UTC', hash
           FROM approvals_auditevent ORDER BY seq"""
    ):
        events[pk].append((seq, kind, actor, facts, state, at, bytes(digest)))
    violations = []
    for pk, count, head in db.execute("SELECT id, event_seq, event_head FROM approvals_approval"):
        link = hashlib.sha256(pk.bytes).digest()
        for position, (seq, kind, actor, facts, state, at, digest) in enumerate(events[pk], start=1):
            content = {"actor": actor, "at": at.isoformat() + "+00:00", "facts": facts, "kind": kind, "state": state}
            link = hashlib.sha256(link + hashlib.sha256(rfc8785.dumps(content)).digest()).digest()
            if seq != position or link != digest:
                violations.append(f"I7: event {seq} of approval {pk} does not follow")
                break
        if (count, bytes(head)) != (len(events[pk]), link):
            violations.append(f"I7: the head of approval {pk} is not its last event")
    return violations


def seals(db: psycopg.Connection) -> list[str]:
    """I7: seals are numbered without a gap, and chained."""
    link = bytes(32)
    rows = db.execute(
        """SELECT s.number, s.hash, coalesce(e.hash, y.hash) FROM approvals_seal s
           LEFT JOIN approvals_auditevent e ON e.id = s.event_id
           LEFT JOIN approvals_systemauditevent y ON y.seq = s.system_event_id ORDER BY 1"""
    )
    for position, (number, sealed, digest) in enumerate(rows, start=1):
        link = hashlib.sha256(link + bytes(digest)).digest()
        if number != position or bytes(sealed) != link:
            return [f"I7: seal {number} does not follow"]
    return []


def fail_closed(db: psycopg.Connection) -> list[str]:
    """I10 and I3: nothing irreversible passed without a person, and silence approved only what is reversible."""
    rows = db.execute(
        """SELECT id, source, reversibility FROM approvals_approval WHERE verdict IN ('approve', 'modify')
           AND ((source = 'timeout' AND reversibility <> 'reversible')
                OR (source = 'policy' AND reversibility = 'irreversible'))"""
    )
    return [f"I10: approval {pk} ({reversibility}) was approved by {source}" for pk, source, reversibility in rows]


def decision_documents(db: psycopg.Connection) -> list[str]:
    """I1: a request is answered exactly when nothing in it is open, and the answer says what was decided."""
    violations = []
    rows = db.execute(
        """SELECT p.id, p.status, coalesce(nullif(p.recalled_answer, ''), p.answer),
                  json_agg(json_build_array(a.item, a.status, a.verdict, a.digest))
           FROM approvals_approvalrequest p JOIN approvals_approval a ON a.request_id = p.id GROUP BY p.id"""
    )
    for pk, status, answer, items in rows:
        open_ = [one for one in items if one[1] in ("pending", "held")]
        if (status == "pending") != bool(open_):
            violations.append(f"I1: request {pk} is {status} with {len(open_)} open items")
        if not answer:
            continue
        answered_items = {item["id"]: item for item in json.loads(answer)["items"]}
        for item, state, verdict, digest in items:
            answered_item = answered_items[item]
            if state in DECIDED and (answered_item["verdict"], answered_item["action_digest"]) != (verdict, digest):
                violations.append(
                    f"I4: the answer of {pk} says {answered_item['verdict']} of {item}, the row {verdict}"
                )
            if state == "recalled" and (answered_item["status"], answered_item["permit"]) != ("recalled", None):
                violations.append(f"I3: the newest answer of {pk} lets {item} run, which was recalled")
            if state in ENDED and answered_item["verdict"] is not None:
                violations.append(f"I3: the answer of {pk} gives a verdict on {item}, which {state}")
    return violations


def permits(db: psycopg.Connection) -> list[str]:
    """I3 and I4: a permit was used once, for what was approved; and what ran without one is said to have."""
    rows = db.execute(
        """SELECT a.id, a.kind, a.verdict, a.released_at, a.digest, a.consumed_at, a.agent_id = c.agent_id,
                  c.jti, c.consumed_at,
                  d.approval_id = a.id AND coalesce(d.undone_at, d.recalled_at) IS NULL AND d.revision = a.revision,
                  (SELECT json_agg(e.facts) FROM approvals_auditevent e
                   WHERE e.approval_id = a.id AND e.kind = 'consumed')
           FROM approvals_consumption c JOIN approvals_approval a ON a.id = c.approval_id
           LEFT JOIN approvals_decision d ON d.id = c.jti"""
    )
    violations = []
    for pk, kind, verdict, released, digest, noted, own, jti, at, stands, recorded_uses in rows:
        if kind != "real" or verdict not in ("approve", "modify") or released is None or not stands or not own:
            violations.append(f"I3: the permit of approval {pk} was used, and nothing approved stands behind it")
        if recorded_uses is None or [(one["jti"], one["digest"]) for one in recorded_uses] != [(str(jti), digest)]:
            violations.append(
                f"I4: history tells of the use of approval {pk} as {recorded_uses}, the digest is {digest}"
            )
        if noted != at or (released is not None and at < released):
            violations.append(f"I3: the permit of approval {pk} was used at {at}, its row says {noted}")
    loose = db.execute(
        """SELECT a.id FROM approvals_approval a WHERE (a.consumed_at IS NOT NULL OR EXISTS (SELECT 1
           FROM approvals_auditevent e WHERE e.approval_id = a.id AND e.kind = 'consumed'))
           AND NOT EXISTS (SELECT 1 FROM approvals_consumption c WHERE c.approval_id = a.id)"""
    )
    violations += [f"I3: approval {pk} says that its permit was used, and no use is recorded" for (pk,) in loose]
    # Agents may report an outcome without having used the permit; then history says so.
    silent = db.execute(
        """SELECT a.id FROM approvals_approval a JOIN approvals_outcome o ON o.approval_id = a.id
           WHERE o.result IN ('succeeded', 'failed') AND o.reported_by_id IS NULL AND a.item_type = 'action'
           AND a.consumed_at IS NULL AND NOT EXISTS (SELECT 1 FROM approvals_auditevent e
           WHERE e.approval_id = a.id AND e.kind = 'outcome' AND e.facts ->> 'permit' = 'not used')"""
    )
    violations += [f"I3: approval {pk} ran without its permit, and nothing says so" for (pk,) in silent]
    both = db.execute(
        """SELECT a.id, a.status, (SELECT count(*) FROM approvals_approval n WHERE n.returned_from_id = a.id)
           FROM approvals_approval a WHERE (a.consumed_at IS NOT NULL OR a.status <> 'skipped')
           AND EXISTS (SELECT 1 FROM approvals_auditevent e WHERE e.approval_id = a.id AND e.kind = 'returned')"""
    )
    return violations + [
        f"I3: approval {pk} came back and is {status}, with {count} new ones" for pk, status, count in both
    ]


def pre_approvals(db: psycopg.Connection) -> list[str]:
    """I3 and I8: what passed by an earlier approval names it, is what it covered, and no use was made twice."""
    rows = db.execute(
        """SELECT a.id, a.grant_id, a.plan_id, a.reversibility, a.gate, a.tier_id, a.agent_id, a.action_type_id,
                  a.digest, g.tier_id, g.agent_id, g.action_type_id, s.digest, s.agent_id, s.plan_id
           FROM approvals_approval a LEFT JOIN approvals_grant g ON g.id = a.grant_id
           LEFT JOIN approvals_plannedstep s ON s.used_by_id = a.id WHERE a.source = 'grant'"""
    )
    violations = []
    for pk, grant, plan, loss, gate, tier, agent, action, digest, most, *rest in rows:
        of, kind, step, planner, planned = rest
        if grant is None and plan is None:
            violations.append(f"I3: approval {pk} passed by an earlier approval that it does not name")
        if grant is not None and (loss == "irreversible" or gate == "manual" or tier > most):
            violations.append(
                f"I8: approval {pk} ({loss}, {gate}, tier {tier}) passed by a standing approval of tier {most}"
            )
        if grant is not None and (agent, action) != (of, kind):
            violations.append(f"I3: approval {pk} passed by a standing approval for something else")
        if plan is not None and (digest, agent, plan) != (step, planner, planned):
            violations.append(f"I3: approval {pk} passed by plan {plan}, and equals no step that it used")
    counted = db.execute(
        """SELECT g.id, g.most, g.used, count(a.id) FROM approvals_grant g
           LEFT JOIN approvals_approval a ON a.grant_id = g.id AND a.source = 'grant' GROUP BY g.id"""
    )
    for pk, most, used, made in counted:
        if made > most or used != made:
            violations.append(f"I3: standing approval {pk} allows {most}, counts {used}, and let {made} pass")
    early = db.execute(
        """SELECT s.id FROM approvals_plannedstep s JOIN approvals_plannedstep d ON d.plan_id = s.plan_id
           AND d.step = ANY (s.depends_on) WHERE s.used_by_id IS NOT NULL AND d.used_by_id IS NULL"""
    )
    violations += [f"I3: step {pk} ran before what it depends on" for (pk,) in early]
    loose = db.execute(
        """SELECT s.id FROM approvals_plannedstep s JOIN approvals_approval p ON p.id = s.plan_id
           WHERE p.verdict NOT IN ('approve', 'modify') OR p.kind <> 'real' OR p.status IN ('pending', 'held')"""
    )
    return violations + [f"I3: step {pk} stands though its plan was not released to run" for (pk,) in loose]


def recalls(db: psycopg.Connection) -> list[str]:
    """I2 and I3: what was recalled was never used; history, its decision and the first answer say what it was."""
    rows = db.execute(
        """SELECT a.id, a.item, a.verdict, r.decision_id = d.id, d.recalled_at = r.recalled_at, p.closed_at, p.answer,
                  r.recalled_at, c.approval_id IS NOT NULL OR a.consumed_at IS NOT NULL,
                  (SELECT count(*) FROM approvals_auditevent e WHERE e.approval_id = a.id AND e.kind = 'recalled'),
                  o.result, EXISTS (SELECT FROM approvals_incident i WHERE i.approval_id = a.id)
           FROM approvals_approval a JOIN approvals_approvalrequest p ON p.id = a.request_id
           LEFT JOIN approvals_recall r ON r.approval_id = a.id
           LEFT JOIN approvals_decision d ON d.approval_id = a.id AND d.recalled_at IS NOT NULL
           LEFT JOIN approvals_consumption c ON c.approval_id = a.id
           LEFT JOIN approvals_outcome o ON o.approval_id = a.id WHERE a.status = 'recalled'"""
    )
    violations = []
    for pk, item, verdict, own, same, closed_at, answer, at, used, events, result, incident in rows:
        if used:
            violations.append(f"I3: approval {pk} is recalled, and its permit was used")
        if not own or not same or events != 1:
            violations.append(f"I2: approval {pk} is recalled, with {events} events and another decision than it ended")
        if closed_at and at and closed_at < at:
            first = next(one for one in json.loads(answer)["items"] if one["id"] == item)
            if first["verdict"] != verdict:
                violations.append(
                    f"I3: the first answer on approval {pk} says {first['verdict']}, and it was {verdict}"
                )
        if result not in (None, "skipped") and not incident:
            violations.append(f"I3: approval {pk} was recalled, ran all the same, and no incident says so")
    loose = db.execute(
        """SELECT a.id FROM approvals_approval a WHERE a.status <> 'recalled' AND (
             EXISTS (SELECT FROM approvals_recall r WHERE r.approval_id = a.id)
             OR EXISTS (SELECT FROM approvals_auditevent e WHERE e.approval_id = a.id AND e.kind = 'recalled')
             OR EXISTS (SELECT FROM approvals_decision d WHERE d.approval_id = a.id AND d.recalled_at IS NOT NULL))"""
    )
    violations += [f"I2: history tells of the recall of approval {pk}, which is not recalled" for (pk,) in loose]
    given = db.execute(
        """SELECT g.id, a.id, a.status FROM approvals_grant g JOIN approvals_approval a ON a.id = g.origin_id
           WHERE g.revoked_at IS NULL AND a.status IN ('pending', 'cancelled', 'superseded', 'recalled')"""
    )
    violations += [f"I3: standing approval {pk} was given on {of}, which is {status}" for pk, of, status in given]
    late = db.execute(
        """SELECT s.id FROM approvals_plannedstep s JOIN approvals_recall r ON r.approval_id = s.plan_id
           JOIN approvals_approval a ON a.id = s.used_by_id
           WHERE a.status = 'released' AND a.consumed_at IS NULL"""
    )
    violations += [f"I3: step {pk} may run though its plan was recalled" for (pk,) in late]
    evaded = db.execute(
        """SELECT a.id FROM approvals_approval a JOIN approvals_auditevent e ON e.approval_id = a.id
           WHERE a.status = 'cancelled' AND e.kind = 'cancelled' AND e.facts ->> 'held' = 'reject'
           AND a.faulted_at IS NULL"""
    )
    return violations + [f"I2: a rejection of approval {pk} was evaded, and does not count" for (pk,) in evaded]
