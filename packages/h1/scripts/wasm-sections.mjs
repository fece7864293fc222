// wasm-sections.mjs — reads and rewrites sections of a WebAssembly module (core specification §5.5).

const IMPORT_SECTION = 2;
const MEMORY_SECTION = 5;
const HEADER_BYTES = 8;

/**
 * Turns the module's own memory into an import with the same limits' minimum. Every other byte stays as it is.
 * @param {Uint8Array} bytes a module with exactly one memory and an import section
 * @param {string} module name of the import's module
 * @param {string} name name of the import
 * @returns {Uint8Array}
 */
export const importMemory = (bytes, module, name) => {
  const parts = [bytes.subarray(0, HEADER_BYTES)];
  const minimum = memoryMinimum(bytes);
  for (const section of sections(bytes)) {
    if (section.id === MEMORY_SECTION) continue;
    if (section.id !== IMPORT_SECTION) {
      parts.push(bytes.subarray(section.start, section.end));
      continue;
    }
    const [count, at] = readLeb(bytes, section.body);
    const entry = [...text(module), ...text(name), 2, 0, ...leb(minimum)];
    const body = [...leb(count + 1), ...bytes.subarray(at, section.end), ...entry];
    parts.push(Uint8Array.from([IMPORT_SECTION, ...leb(body.length), ...body]));
  }
  return Uint8Array.from(parts.flatMap((part) => [...part]));
};

/** Sections in order, each with the offsets of its id byte, its body and its end. */
export function* sections(bytes) {
  let at = HEADER_BYTES;
  while (at < bytes.length) {
    const start = at;
    const id = bytes[at];
    const [size, body] = readLeb(bytes, at + 1);
    at = body + size;
    yield { id, start, body, end: at };
  }
}

const memoryMinimum = (bytes) => {
  for (const section of sections(bytes)) {
    if (section.id !== MEMORY_SECTION) continue;
    const [count, at] = readLeb(bytes, section.body);
    if (count !== 1 || bytes[at] !== 0) throw new Error("expected one memory without a maximum");
    return readLeb(bytes, at + 1)[0];
  }
  throw new Error("module has no memory of its own");
};

/** Value of an unsigned LEB128 number and the offset behind it. */
const readLeb = (bytes, at) => {
  let value = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[at++];
    value += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) return [value, at];
  }
};

const leb = (value) => {
  const out = [];
  do {
    const rest = Math.floor(value / 128);
    out.push((value % 128) | (rest > 0 ? 0x80 : 0));
    value = rest;
  } while (value > 0);
  return out;
};

const text = (name) => [...leb(name.length), ...Buffer.from(name, "ascii")];
