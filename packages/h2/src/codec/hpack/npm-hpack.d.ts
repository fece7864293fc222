// npm-hpack.d.ts — what is used of npm hpack.js 2.1.6, which has no types of its own. Most of it is its inside.
declare module "hpack.js" {
  interface Entry {
    readonly name: string;
    readonly value: string;
    readonly totalSize: number;
  }
  interface Table {
    readonly static: { readonly table: readonly Entry[] };
    readonly dynamic: readonly Entry[];
    readonly length: number;
    maxSize: number;
    protocolMaxSize: number;
    reverseLookup(name: string, value: string): number;
    updateSize(bytes: number): void;
  }
  interface Decompressed {
    readonly name: string;
    readonly value: string;
    readonly neverIndex: boolean;
  }
  interface Decompressor {
    readonly _table: Table;
    readonly _decoder: { push(chunk: Uint8Array): void; isEmpty(): boolean; decodeInt(): number };
    push(field: Decompressed): boolean;
    _execute(): void;
    _processUpdate(): void;
  }
  interface Compressed {
    readonly name: string;
    readonly value: string;
    readonly neverIndex?: boolean;
    readonly incremental?: boolean;
    readonly huffman?: boolean;
  }
  interface Compressor {
    readonly _table: Table;
    push(chunk: Uint8Array): boolean;
    _write(fields: readonly Compressed[], encoding: string, done: () => void): void;
  }
  interface Options {
    readonly table: { readonly maxSize: number };
  }
  const hpack: {
    readonly decompressor: { create(options: Options): Decompressor };
    readonly compressor: { create(options: Options): Compressor };
  };
  export default hpack;
}
