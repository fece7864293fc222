// The bodies as files, for servers that serve nothing else.
import { mkdirSync, writeFileSync } from "node:fs";

/** @returns {string} a folder with `/`, `/1k`, `/64k` and `/1m` as the cases want them */
export const documents = (scratch) => {
  const folder = `${scratch}/documents`;
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${folder}/index.html`, "Hello, World!");
  writeFileSync(`${folder}/1k`, "x".repeat(1024));
  writeFileSync(`${folder}/64k`, "x".repeat(65_536));
  writeFileSync(`${folder}/1m`, "x".repeat(1_048_576));
  return folder;
};
