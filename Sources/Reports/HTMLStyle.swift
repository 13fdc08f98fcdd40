/// The look of the HTML report, in light and dark.
enum HTMLStyle {
    static let css = """
        :root{color-scheme:light dark;--ink:#1d2430;--paper:#fff;--line:#d5dae1;--soft:#f4f6f8;--good:#2c7a4b;--bad:#b3261e;--odd:#8a6d00;--blue:#2f5d8a}
        @media(prefers-color-scheme:dark){:root{--ink:#e4e8ee;--paper:#14181e;--line:#39424e;--soft:#1d232b;--good:#6cc08b;--bad:#ff8a80;--odd:#e0c060;--blue:#8ab4e0}}
        body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);margin:2rem auto;max-width:1100px;padding:0 1rem}
        table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid var(--line);vertical-align:top}
        section{margin-top:2.5rem;border-top:2px solid var(--line);content-visibility:auto;contain-intrinsic-size:auto 40em}svg{display:block;max-width:100%;margin:.6rem 0}
        svg text{font:12px system-ui,sans-serif;fill:var(--ink)}svg .small{font-size:10px;opacity:.75}
        .task rect{fill:var(--soft);stroke:var(--blue)}.task.untranslatable rect{stroke:var(--bad)}.arrow{fill:none;stroke:var(--ink);opacity:.6}.head{fill:var(--ink);opacity:.6}
        .grid{stroke:var(--line)}.run{fill:var(--good)}.run.failed{fill:var(--bad)}.run.observed,.run.not-enough-data{fill:var(--odd)}.run.mismatch{stroke:var(--bad);stroke-width:1.5}
        .verdict{padding:.1rem .5rem;border-radius:1rem;border:1px solid currentColor;font-size:.8rem;white-space:nowrap}.match{color:var(--good)}.mismatch,.observer-broken{color:var(--bad)}.not-enough-data{color:var(--odd)}
        .pair{display:grid;grid-template-columns:1fr 1fr;gap:1rem}.pair>div{min-width:0}pre{background:var(--soft);padding:.6rem;overflow:auto;font-size:12px;border-radius:4px}
        mark{background:color-mix(in srgb,var(--bad) 30%,transparent);color:inherit}.error{color:var(--bad)}.ignored{opacity:.75}h4,h5{margin:.4rem 0}dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem}dd{margin:0}
        """

    /// What a reader must know before the first table.
    static let legend = """
        <details class="legend"><summary>How to read this</summary><dl>
        <dt>legacy, shadow</dt><dd>Bailey ran each pipeline's work a second time, in shadow, for runs that the legacy system had made, and
        compared both. A task marked <i>pure</i> really ran; of one marked <i>observe</i> only the arguments were compared.</dd>
        <dt class="match">match</dt><dd>Nothing that counts differs.</dd>
        <dt class="mismatch">mismatch</dt><dd>State, arguments, result or error differ: each such run is shown side by side.</dd>
        <dt class="not-enough-data">not enough data</dt><dd>No run to compare yet, or no body ran in shadow.</dd>
        <dt class="observer-broken">observer broken</dt><dd>The comparing itself failed.</dd>
        <dt>ignored</dt><dd>Differences that a named rule of the mapping hides; they are counted apart.</dd>
        <dt>bars</dt><dd>One per run, above by legacy, below in shadow, on one time axis (UTC) for all pipelines. Runs of the past are shadowed
        later than they were made. Red filling: the run failed; red frame: it differs.</dd>
        </dl></details>
        """
}
