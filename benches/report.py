"""Tables, targets and plots of what `benches/run` measured."""

import html
import pathlib

OURS = "goodays-salesforce"

# Heading and name of the number; a column without numbers is left out.
COLUMNS = [
    ("SF ms", "latency_ms"),
    ("events", "events"),
    ("calls/event", "calls_per_event"),
    ("events/s", "events_per_s"),
    ("acks/s", "accepted_per_s"),
    ("ack p50 ms", "ack_p50_ms"),
    ("p99", "ack_p99_ms"),
    ("p99.9", "ack_p999_ms"),
    ("Case p50 ms", "case_p50_ms"),
    ("back p50 ms", "back_p50_ms"),
    ("back worst ms", "back_worst_ms"),
    ("start ms", "start_ms"),
    ("CPU ms/event", "cpu_ms_per_event"),
    ("peak MB", "peak_mb"),
    ("MB at end", "memory_mb"),
    ("disk B/event", "disk_bytes_per_event"),
    ("written B/event", "written_bytes_per_event"),
]
TRUST_COLUMNS = [(name, name) for name in ("sent", "refused", "acknowledged", "lost", "doubled")]
TRUST_COLUMNS += [("calls/event", "calls_per_event")]


def short(value):
    if value is None:
        return ""
    if isinstance(value, int):
        return f"{value:,}"
    if value >= 100 or value == 0:
        return f"{value:,.0f}"
    return f"{value:.4f}" if value < 0.1 else f"{value:.2f}"


def markdown(heads, rows):
    lines = ["| " + " | ".join(heads) + " |", "| --- | --- |" + " ---: |" * (len(heads) - 2)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def table(rows, columns, first="what"):
    used = [(head, name) for head, name in columns if any(row.get(name) is not None for row in rows)]
    cells = [[row[first], row["who"], *(short(row.get(name)) for _, name in used)] for row in rows]
    return markdown(["run" if first == "what" else first, "who", *(head for head, _ in used)], cells)


# ---- targets


def targets(steps):
    """What each target asks for, what was measured, and whether that is enough. Steps that did not run have none."""
    find = Find(steps)
    found = []
    for of in (door_targets, store_targets, flow_targets, scale_targets, peer_targets, trust_targets):
        found += [target for target in of(find) if target["measured"] is not None]
    return found


class Find:
    """Numbers by step, run, peer and name. None where something was not measured."""

    def __init__(self, steps):
        self.steps = steps

    def rows(self, step, run, who):
        rows = self.steps.get(step, {}).get("rows", [])
        return [row for row in rows if row["what"].startswith(run) and row["who"].startswith(who)]

    def number(self, step, run, name, who=OURS, **of):
        """The mean of all rows that fit: ours stands twice beside peers."""
        rows = [row for row in self.rows(step, run, who) if all(row[key] == value for key, value in of.items())]
        numbers = [row[name] for row in rows if row.get(name) is not None]
        return sum(numbers) / len(numbers) if numbers else None

    def ratio(self, one, other):
        return one / other if one is not None and other else None


def target(what, measured, most=None, least=None, unit=""):
    wanted = f"at most {most}{unit}" if most is not None else f"at least {least}{unit}"
    met = None
    if measured is not None:
        met = measured <= most if most is not None else measured >= least
    return {"target": what, "wanted": wanted, "measured": measured, "unit": unit, "met": met}


def door_targets(find):
    ours = lambda name: find.number("doors", "acknowledge", name)
    other = lambda who, name: find.number("doors", "acknowledge", name, who)
    rate = find.ratio(ours("accepted_per_s"), other("door without persistence", "accepted_per_s"))
    p99 = find.ratio(ours("ack_p99_ms"), other("door with append", "ack_p99_ms"))
    pruning = lambda run: find.number("pruning", run, "ack_p99_ms")
    hostile = lambda run: find.number("hostile", run, "accepted_per_s")
    return [
        target("acknowledgements, share of the door without persistence", rate, least=0.5),
        target("p99 of the acknowledgement, times append + fdatasync", p99, most=3),
        target("p99 beside pruning, times that without", find.ratio(pruning("beside"), pruning("nothing")), most=2),
        target(
            "acknowledgements while attacked, share of those alone",
            find.ratio(hostile("acknowledge, attacked"), hostile("acknowledge, alone")),
            least=0.5,
        ),
    ]


def store_targets(find):
    postgres = lambda run, name: find.number("stores", run, name, "on PostgreSQL")
    share = lambda run, name: find.ratio(postgres(run, name), find.number("stores", run, name))
    return [
        target(
            "acknowledgements on PostgreSQL with a standby, share of the embedded store's",
            share("acknowledge", "accepted_per_s"),
            least=0.15,
        ),
        target(
            "p99 of the acknowledgement on PostgreSQL with a standby",
            postgres("acknowledge", "ack_p99_ms"),
            most=200,
            unit=" ms",
        ),
        target("drain on PostgreSQL, 150 ms, share of the embedded store's", share("outage", "events_per_s"), least=0.8),
    ]


def flow_targets(find):
    found = []
    for step, latency in (("flow", 0), ("flow-150", 150)):
        case = find.number(step, "trickle", "case_p50_ms")
        back = find.number(step, "an agent", "back_worst_ms")
        calls = find.number(step, "outage", "calls_per_event")
        found += [
            target(f"calls for each event of a drain, {latency} ms", calls, most=0.02),
            target(f"webhook to Case when idle (p50), {latency} ms", case, most=latency + 5, unit=" ms"),
            target(f"agent to Goodays (worst), {latency} ms", back, most=400 + 3 * latency, unit=" ms"),
        ]
    return found


def scale_targets(find):
    many = next((row["what"] for row in find.rows("known", "", OURS) if row["what"] != "1000 known"), "many")
    known = lambda name, run=many: find.number("known", run, name)
    cpu = find.ratio(known("cpu_ms_per_event"), known("cpu_ms_per_event", "1000 known"))
    memory = lambda run, who=OURS: find.number("outage", run, "memory_mb", who)
    grown = lambda who=OURS: find.ratio(memory("long outage, drained", who), memory("long outage, taken in", who))
    return [
        target(f"memory with {many}", known("peak_mb"), most=200, unit=" MB"),
        target(f"cost of an event with {many}, times that with 1000", cpu, most=1.3),
        target(f"start with {many}", known("start_ms"), most=2000, unit=" ms"),
        target("memory at the end of a long drain, times that at its beginning", grown(), most=1.2),
        target("the same on PostgreSQL", grown("on PostgreSQL"), most=1.2),
    ]


def peer_targets(find):
    steady = lambda name, latency, who=OURS: find.number("peers", "steady", name, who, latency_ms=latency)
    express = lambda name, latency, at_once: steady(name, latency, f"Express + jsforce, {at_once} in flight")
    cpu = find.ratio(steady("cpu_ms_per_event", 0), express("cpu_ms_per_event", 0, 10))
    rate = lambda at_once: find.ratio(steady("events_per_s", 150), express("events_per_s", 150, at_once))
    return [
        target("CPU for each event, share of Express", cpu, most=0.1),
        target("150 ms: times Express with one call at a time", rate(1), least=50),
        target("150 ms: times Express with ten calls in flight", rate(10), least=10),
    ]


def trust_targets(find):
    ours = [row for row in find.steps.get("trust", {}).get("trust", []) if row["who"] == OURS]
    total = lambda name: sum(row[name] for row in ours) if ours else None
    return [
        target("acknowledged events lost", total("lost"), most=0),
        target("Cases with a doubled comment", total("doubled"), most=0),
    ]


def target_table(found):
    mark = {True: "met", False: "**missed**"}
    rows = [[t["target"], t["wanted"], short(t["measured"]) + t["unit"], mark[t["met"]]] for t in found]
    return markdown(["target", "wanted", "measured", ""], rows)


# ---- plots


def bars(title, rows):
    """Horizontal bars, as SVG that is readable on light and dark pages. `rows`: label, number, text."""
    width, height, left = 760, 26 * len(rows) + 44, 300
    longest = max((number for _, number, _ in rows), default=0) or 1
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="13">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        f'<text x="12" y="22" font-weight="bold" fill="#222222">{html.escape(title)}</text>',
    ]
    for place, (label, number, text) in enumerate(rows):
        y = 36 + 26 * place
        length = max(1, round((width - left - 110) * number / longest))
        fill = "#0b6e4f" if label.startswith(OURS) else "#8a94a6"
        parts.append(f'<text x="{left - 8}" y="{y + 15}" text-anchor="end" fill="#222222">{html.escape(label)}</text>')
        parts.append(f'<rect x="{left}" y="{y + 2}" width="{length}" height="18" fill="{fill}"/>')
        parts.append(f'<text x="{left + length + 6}" y="{y + 15}" fill="#222222">{html.escape(text)}</text>')
    return "\n".join([*parts, "</svg>", ""])


def plots(steps):
    """By file name."""
    found = {}
    peers = steps.get("peers", {}).get("rows", [])
    for latency in (0, 150):
        rows = [row for row in peers if row["latency_ms"] == latency]
        if not rows:
            continue
        # Ours stands twice; the first is shown.
        first = {row["who"]: row for row in reversed(rows)}
        shown = lambda name: [(who, row[name], short(row[name])) for who, row in sorted(first.items(), key=ours_first)]
        found[f"events-{latency}.svg"] = bars(f"Events per second, {latency} ms for each call", shown("events_per_s"))
        if latency == 0:
            found["cpu.svg"] = bars("CPU for each event, ms", shown("cpu_ms_per_event"))
    trust = steps.get("trust", {}).get("trust", [])
    for name, title in (("lost", "Acknowledged, and lost"), ("doubled", "Cases with a doubled comment")):
        who = lambda row: row["who"].partition(" in flight")[0].rpartition(", ")[0] or row["who"]
        rows = [(f"{who(row)}: {row['trouble']}", row[name], str(row[name])) for row in trust]
        if rows:
            found[f"{name}.svg"] = bars(title, rows)
    return found


def ours_first(item):
    return (not item[0].startswith(OURS), item[0])


# ---- files


def page(measured, plots_in, names):
    machine, steps = measured["machine"], measured["steps"]
    peers = "; ".join(f"{name} {version}" for name, version in machine.get("peers", {}).items())
    profiles = " and ".join(sorted({step.get("profile", "release") for step in steps.values()}))
    text = (
        "# Measured\n\n"
        "Written by `benches/run --docs`. Numbers of one step may be compared with each other, and with nothing else; "
        "[performance](performance.md) says how it is measured and what is not comparable.\n\n"
        f"{machine['cores']} cores ({machine['cpu']}), "
        f"{machine['memory_gb']} GB, {machine['disk']}, Linux {machine['kernel']}; {machine['rustc']}, profile {profiles}.\n"
    )
    if peers:
        text += f"Peers: {peers}.\n"
    if measured["targets"]:
        text += "\n## Targets\n\n" + target_table(measured["targets"])
    for name in names:
        text += f"\n![{name.removesuffix('.svg')}]({plots_in}{name})\n"
    for name, step in steps.items():
        text += (
            f"\n## {step['what']}\n\n{step['date']}, commit {step['commit']}. "
            f"Load of the machine before it: {step['load_before']}. It took {step['seconds']} s.\n\n"
        )
        if step["rows"]:
            text += table(step["rows"], COLUMNS)
        if step["trust"]:
            text += table(step["trust"], TRUST_COLUMNS, "trouble")
    return text


def write(measured, folder, images=""):
    """`measured.md`, and the plots in the folder `images` beside it."""
    drawn = plots(measured["steps"])
    (pathlib.Path(folder) / images).mkdir(parents=True, exist_ok=True)
    for name, svg in drawn.items():
        (pathlib.Path(folder) / images / name).write_text(svg)
    prefix = f"{images}/" if images else ""
    (pathlib.Path(folder) / "measured.md").write_text(page(measured, prefix, drawn))
