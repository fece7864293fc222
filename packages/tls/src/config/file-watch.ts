// file-watch.ts — tells when files have been replaced: by their folders, since certificate tools rename and relink.
import { type FSWatcher, watch } from "node:fs";
import { stat } from "node:fs/promises";
import path from "node:path";

/** A tool writes the certificate, then the key: what changes within this time is one change. */
export const SETTLE_MS = 300;
/** Network file systems and bind mounts tell nothing: the files are looked at this often as well. */
export const LOOK_MS = 30_000;

/** Tells the same file in another state: what replacing, rewriting or relinking changes. */
type State = string;

export class FileWatch {
  readonly #onChange: () => void;
  #files: readonly string[] = [];
  #states = "";
  #watchers: FSWatcher[] = [];
  #settle: NodeJS.Timeout | null = null;
  readonly #look: NodeJS.Timeout;
  #closed = false;

  /** @param onChange called once per change, some 0.3 s after the last write. */
  constructor(onChange: () => void) {
    this.#onChange = onChange;
    this.#look = setInterval(() => void this.#compare(), LOOK_MS);
    this.#look.unref();
  }

  /** Watches these and no others from now on. Resolves when their present state is known. */
  async follow(files: readonly string[]): Promise<void> {
    this.#files = [...new Set(files)].sort();
    this.#states = await statesOf(this.#files);
    this.#watchFolders();
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#look);
    if (this.#settle !== null) clearTimeout(this.#settle);
    for (const watcher of this.#watchers) watcher.close();
    this.#watchers = [];
  }

  #watchFolders(): void {
    for (const watcher of this.#watchers) watcher.close();
    this.#watchers = [];
    if (this.#closed) return;
    for (const folder of new Set(this.#files.map((file) => path.dirname(file)))) {
      try {
        const watcher = watch(folder, { persistent: false }, () => this.#noticed());
        // A folder that goes away, or one watch too many: the regular look is left.
        watcher.on("error", () => watcher.close());
        this.#watchers.push(watcher);
      } catch {
        // As above.
      }
    }
  }

  #noticed(): void {
    if (this.#closed) return;
    if (this.#settle !== null) clearTimeout(this.#settle);
    this.#settle = setTimeout(() => void this.#compare(), SETTLE_MS);
    this.#settle.unref();
  }

  async #compare(): Promise<void> {
    const files = this.#files;
    const states = await statesOf(files);
    if (this.#closed || files !== this.#files || states === this.#states) return;
    this.#states = states;
    this.#onChange();
  }
}

const statesOf = async (files: readonly string[]): Promise<State> => (await Promise.all(files.map(stateOf))).join("\n");

const stateOf = async (file: string): Promise<State> => {
  try {
    const { dev, ino, size, mtimeMs, ctimeMs } = await stat(file);
    return `${dev} ${ino} ${size} ${mtimeMs} ${ctimeMs}`;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? "unreadable";
  }
};
