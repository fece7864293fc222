// doctor.ts — `percore doctor`: looks, judges, prints.
import { styleText } from "node:util";
import { type Finding, isSerious, judge, type Level } from "./findings.ts";
import { type FactSources, gatherFacts, SYSTEM_SOURCES } from "./host-facts.ts";

export interface DoctorOptions {
  readonly json?: boolean;
  /** Colours and signs for a person's terminal. */
  readonly colour?: boolean;
  readonly write: (text: string) => void;
  readonly sources?: FactSources;
}

type Style = Parameters<typeof styleText>[0];

/** Whether colours are wanted has been decided: styleText must not look at the terminal again. */
const ALWAYS = { validateStream: false };

const SIGNS: Readonly<Record<Level, { readonly sign: string; readonly style: Style }>> = {
  ok: { sign: "✓", style: "green" },
  note: { sign: "·", style: "cyan" },
  slow: { sign: "!", style: "yellow" },
  unusable: { sign: "✗", style: "red" },
};

const AREA_WIDTH = 14;
const INDENT = " ".repeat(AREA_WIDTH + 4);
const LINE_WIDTH = 110;

/** Breaks a text at spaces so that it fits beside its area's name. */
const wrap = (text: string): string[] => {
  const rows = [""];
  for (const word of text.split(" ")) {
    const row = rows[rows.length - 1] ?? "";
    if (row === "") rows[rows.length - 1] = word;
    else if (INDENT.length + row.length + 1 + word.length <= LINE_WIDTH) rows[rows.length - 1] = `${row} ${word}`;
    else rows.push(word);
  }
  return rows;
};

const lines = (finding: Finding, colour: boolean): string[] => {
  const { sign, style } = SIGNS[finding.level];
  const [first, ...more] = wrap(finding.text);
  // Fixes are not wrapped: they are there to be copied.
  const fixes = (finding.fix ?? []).map((fix) => `${colour ? styleText("dim", "→", ALWAYS) : "→"} ${fix}`);
  const head = `  ${colour ? styleText(style, sign, ALWAYS) : sign} ${finding.area.padEnd(AREA_WIDTH)}${first}`;
  return [head, ...[...more, ...fixes].map((row) => INDENT + row)];
};

const conclusion = (findings: readonly Finding[]): string => {
  const count = (level: Level): number => findings.filter((finding) => finding.level === level).length;
  if (count("unusable") > 0) return "Percore cannot run here until what is marked ✗ is mended.";
  if (count("slow") > 0) return "Percore runs here; what is marked ! makes it slower than it could be.";
  return "Nothing stands in the way.";
};

/** @returns the exit status: 1 when something makes Percore slow or unusable here, else 0. */
export const doctor = async (options: DoctorOptions): Promise<number> => {
  const facts = await gatherFacts(options.sources ?? SYSTEM_SOURCES);
  const findings = judge(facts);
  if (options.json === true) {
    // Infinity is not JSON; an absent limit is null there.
    options.write(`${JSON.stringify({ facts, findings }, null, 2)}\n`);
  } else {
    const colour = options.colour ?? false;
    const body = findings.flatMap((finding) => lines(finding, colour));
    options.write(`${["percore doctor", "", ...body, "", conclusion(findings)].join("\n")}\n`);
  }
  return findings.some(isSerious) ? 1 : 0;
};
