// The look of the report: one set of colours for light and one for dark, also used inside the pictures.

/** Colours of pictures; a picture alone (README) carries them too. */
export const PALETTE = `
  :root, svg { --ink: #1c2430; --soft: #5b6675; --line: #dfe4ea; --card: #ffffff; --page: #f5f7f9;
    --ours: #0f766e; --ours-light: #5eb5ab; --server: #475f8f; --server-light: #a3b3d1; --runtime: #a4672a; --runtime-light: #dfb98f;
    --floor: #8b95a1; --floor-light: #ced4db; --good: #0f766e; --bad: #b4402f; --dot: #1c2430; }
  @media (prefers-color-scheme: dark) { :root, svg { --ink: #e7ecf2; --soft: #9aa6b5; --line: #313b47; --card: #1a2129; --page: #12171d;
    --ours: #2dbdae; --ours-light: #1d6e67; --server: #8aa6dc; --server-light: #445577; --runtime: #dea262; --runtime-light: #75532f;
    --floor: #8d98a5; --floor-light: #47525e; --good: #2dbdae; --bad: #f08a78; --dot: #e7ecf2; } }
`;

export const PICTURE = `
  svg text { font: 12.5px system-ui, sans-serif; fill: var(--ink); }
  svg .soft { fill: var(--soft); } svg .small { font-size: 11px; } svg .strong { font-weight: 650; }
  svg .grid { stroke: var(--line); stroke-width: 1; } svg .whisker { stroke: var(--dot); stroke-width: 1.2; opacity: .7; }
  svg .dot { fill: var(--dot); opacity: .45; } svg .base { stroke: var(--soft); stroke-dasharray: 3 3; }
`;

export const PAGE = `
  * { box-sizing: border-box; } body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
  main { max-width: 1080px; margin: 0 auto; padding: 32px 20px 80px; } h1 { font-size: 28px; margin: 0 0 4px; letter-spacing: -.01em; }
  h2 { font-size: 19px; margin: 44px 0 10px; } h3 { font-size: 15px; margin: 0 0 6px; } p { margin: 6px 0; } .soft { color: var(--soft); }
  .card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 16px 18px; margin: 14px 0; overflow-x: auto; }
  .facts { display: flex; flex-wrap: wrap; gap: 4px 28px; color: var(--soft); font-size: 13.5px; } .facts b { color: var(--ink); font-weight: 600; }
  table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; width: 100%; }
  th { text-align: right; font-weight: 600; color: var(--soft); padding: 4px 8px; white-space: nowrap; vertical-align: bottom; }
  td { text-align: right; padding: 4px 8px; border-top: 1px solid var(--line); white-space: nowrap; } th:first-child, td:first-child { text-align: left; }
  tr.ours td { font-weight: 650; } td.cell { border: 2px solid var(--card); border-radius: 5px; text-align: center; } .hit { color: var(--good); font-weight: 650; }
  .miss { color: var(--bad); font-weight: 650; } details { margin-top: 8px; } summary { cursor: pointer; color: var(--soft); font-size: 13px; }
  .overview th:not(:first-child) { white-space: normal; } .overview th:not(:first-child), .overview td:not(:first-child) { text-align: center; padding: 4px 3px; }
  svg { display: block; max-width: 100%; height: auto; } .legend { display: flex; flex-wrap: wrap; gap: 4px 18px; font-size: 12.5px; color: var(--soft); margin: 4px 0 8px; }
  .legend i { display: inline-block; width: 11px; height: 11px; border-radius: 3px; margin-right: 6px; vertical-align: -1px; } code { font-size: 12.5px; }
`;
