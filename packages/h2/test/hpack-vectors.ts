// hpack-vectors.ts — header blocks of other encoders: the subset kept here, and the whole suite where it is found.
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

export interface Vector {
  readonly wire: string;
  /** Name, value, name, value, … */
  readonly headers: readonly string[];
  /** Size the decoder announces before the block. */
  readonly table?: number;
}

export interface Story {
  readonly name: string;
  readonly cases: readonly Vector[];
}

const PACKAGE = fileURLToPath(new URL("../../", import.meta.url));
const KEPT: string = path.join(PACKAGE, "test/vectors/hpack");
const BESIDE: string = path.join(PACKAGE, "../../../shared/hpack-vectors");

export const keptStories = (): Story[] =>
  readdirSync(KEPT)
    .filter((name) => name.endsWith(".json"))
    .flatMap((name) =>
      (JSON.parse(readFileSync(path.join(KEPT, name), "utf8")) as { story: string; cases: Vector[] }[]).map(
        (story) => ({
          name: `${name} ${story.story}`,
          cases: story.cases,
        }),
      ),
    );

interface Original {
  readonly wire?: string;
  readonly header_table_size?: number | null;
  readonly headers: readonly Readonly<Record<string, string>>[];
}

/** Every story of the archive, or null where there is none. */
export const allStories = (): Story[] | null => {
  const archive = findArchive();
  if (archive === null) return null;
  const folder = mkdtempSync(path.join(tmpdir(), "percore-hpack-"));
  try {
    execFileSync("tar", ["xzf", archive, "-C", folder]);
    const stories: Story[] = [];
    for (const encoder of readdirSync(folder)) {
      if (!statSync(path.join(folder, encoder)).isDirectory()) continue;
      for (const file of readdirSync(path.join(folder, encoder))) stories.push(readStory(folder, encoder, file));
    }
    return stories;
  } finally {
    rmSync(folder, { recursive: true });
  }
};

const readStory = (folder: string, encoder: string, file: string): Story => {
  const { cases } = JSON.parse(readFileSync(path.join(folder, encoder, file), "utf8")) as { cases: Original[] };
  return {
    name: `${encoder} ${file}`,
    cases: cases.map(({ wire = "", headers, header_table_size: table }) => ({
      wire,
      headers: headers.flatMap((header) => Object.entries(header)[0]),
      table: table ?? undefined,
    })),
  };
};

const findArchive = (): string | null => {
  const given = process.env.HPACK_VECTORS;
  if (given !== undefined) return existsSync(given) ? given : null;
  if (!existsSync(BESIDE)) return null;
  const name = readdirSync(BESIDE).find((file) => file.endsWith(".tar.gz"));
  return name === undefined ? null : path.join(BESIDE, name);
};
