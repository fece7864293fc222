// file-watch.ts — tells when one of several files has changed, however an editor or a volume mount replaces it.
import { type Stats, unwatchFile, watchFile } from "node:fs";

/** How often files are looked at. Their metadata is: a rename, a new symbolic link and a mount are seen alike. */
const LOOK_MS = 1_000;
/** Several files of one change arrive together. */
const SETTLE_MS = 100;

export class FileWatch {
  readonly #changed: () => void;
  #files: readonly string[] = [];
  #timer: NodeJS.Timeout | null = null;

  constructor(changed: () => void) {
    this.#changed = changed;
  }

  /** Watches these files from now on, and no others. */
  set(files: readonly string[]): void {
    for (const file of this.#files) if (!files.includes(file)) unwatchFile(file, this.#onLook);
    for (const file of files) {
      if (!this.#files.includes(file)) watchFile(file, { interval: LOOK_MS, persistent: false }, this.#onLook);
    }
    this.#files = [...files];
  }

  close(): void {
    this.set([]);
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  readonly #onLook = (now: Stats, before: Stats): void => {
    // A file that is gone for a moment is being replaced.
    if (now.mtimeMs === 0 && now.ino === 0) return;
    if (now.mtimeMs === before.mtimeMs && now.ino === before.ino && now.size === before.size) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#changed, SETTLE_MS);
    this.#timer.unref();
  };
}
