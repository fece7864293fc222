// Copies a file through one rented block. Usage: node file-copy.mjs FROM TO
import { constants } from "node:fs";
import { currentRuntime, File } from "@percore/core";

const [from, to] = process.argv.slice(2);
if (to === undefined) {
  console.error("usage: node file-copy.mjs FROM TO");
  process.exit(2);
}

const BLOCK_BYTES = 65_536;

const copy = async (source, target) => {
  const block = currentRuntime().arena.lease(BLOCK_BYTES);
  try {
    let position = 0;
    for (;;) {
      block.length = BLOCK_BYTES;
      const read = await source.read(block, position);
      if (read === 0) break;
      block.length = read;
      const written = await target.write(block, position);
      // A short write is continued where it ended, by reading from there again.
      position += written;
    }
    await target.sync();
    return position;
  } finally {
    block.release();
  }
};

const source = await File.open(from);
const target = await File.open(to, { flags: constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC });
console.log(`copied ${await copy(source, target)} bytes`);
await source.close();
await target.close();
