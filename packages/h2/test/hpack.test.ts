// RFC 7541: both codecs against other encoders' blocks, against each other, and against blocks that are wrong.
import { Buffer } from "node:buffer";
import fc from "fast-check";
import t from "tap";
import {
  blockBound,
  type DecoderLimits,
  type HeaderBlock,
  type HpackCodec,
  HpackError,
} from "../src/codec/hpack/codec.ts";
import { decodedBound, decodeHuffman, huffmanSize, putHuffman } from "../src/codec/hpack/huffman.ts";
import { NPM_CODEC } from "../src/codec/hpack/npm-codec.ts";
import { OWN_CODEC } from "../src/codec/hpack/own-codec.ts";
import { allStories, keptStories, type Story } from "./hpack-vectors.ts";

const LIMITS: DecoderLimits = { listBytesMax: 1_000_000, fieldsMax: 10_000, tableBytesMax: 4096 };
const CODECS: readonly HpackCodec[] = [OWN_CODEC, NPM_CODEC];

const hex = (text: string): Uint8Array => Buffer.from(text.replaceAll(" ", ""), "hex");
const listOf = (block: HeaderBlock): string[] => block.fields.flatMap(({ name, value }) => [name.text, value.text]);
/** Encoded and cut to its size, with bytes around it that must not matter. */
const encode = (encoder: ReturnType<HpackCodec["encoder"]>, list: readonly string[], key = 0): Uint8Array => {
  const u8 = new Uint8Array(blockBound(list) + 3);
  return u8.slice(3, encoder.encode(u8, 3, list, key));
};
const codeOf = (call: () => unknown): string => {
  try {
    call();
    return "none";
  } catch (error) {
    return error instanceof HpackError ? error.code : String(error);
  }
};

const runStory = (codec: HpackCodec, story: Story): string | null => {
  const largest = Math.max(4096, ...story.cases.map(({ table = 0 }) => table));
  const decoder = codec.decoder({ ...LIMITS, tableBytesMax: largest });
  for (const [at, { wire, headers, table }] of story.cases.entries()) {
    if (table !== undefined) decoder.setTableBytesMax(table);
    const bytes = hex(wire);
    const padded = new Uint8Array(bytes.length + 20).fill(0xff);
    padded.set(bytes, 10);
    const got = listOf(decoder.decode(padded, 10, bytes.length));
    if (got.join("\n") !== headers.join("\n")) return `block ${at}: ${got.join("|")}`;
  }
  return null;
};

t.test("other encoders' blocks", async (t) => {
  for (const codec of CODECS) {
    for (const story of keptStories()) t.equal(runStory(codec, story), null, `${codec.name}: ${story.name}`);
  }
});

const all = allStories();
t.test("the whole suite of blocks", { skip: all === null && "no archive: HPACK_VECTORS names none" }, async (t) => {
  for (const codec of CODECS) {
    let wrong = "";
    let blocks = 0;
    for (const story of all ?? []) {
      if (story.cases[0].wire === "") continue;
      blocks += story.cases.length;
      const failure = runStory(codec, story);
      if (failure !== null) wrong += `${story.name}: ${failure}\n`;
    }
    t.equal(wrong, "", `${codec.name}: ${blocks} blocks`);
  }
  let wrong = "";
  for (const story of (all ?? []).filter(({ cases }) => cases[0].wire === "")) {
    const encoder = OWN_CODEC.encoder(4096);
    const readers = CODECS.map((codec) => codec.decoder(LIMITS));
    for (const [at, { headers }] of story.cases.entries()) {
      const bytes = encode(encoder, headers, at + 1);
      for (const reader of readers) {
        const got = listOf(reader.decode(bytes, 0, bytes.length));
        if (got.join("\n") !== headers.join("\n")) wrong += `${story.name} ${at}\n`;
      }
    }
  }
  t.equal(wrong, "", "what we encode, both decode");
});

t.test("RFC 7541 Appendix C: the worked examples", async (t) => {
  const rows = [
    {
      name: "C.3 requests without Huffman",
      blocks: [
        ["828684410f7777772e6578616d706c652e636f6d", ":method GET :scheme http :path / :authority www.example.com"],
        [
          "828684be58086e6f2d6361636865",
          ":method GET :scheme http :path / :authority www.example.com cache-control no-cache",
        ],
      ],
    },
    {
      name: "C.4 requests with Huffman",
      blocks: [
        ["828684418cf1e3c2e5f23a6ba0ab90f4ff", ":method GET :scheme http :path / :authority www.example.com"],
        [
          "828684be5886a8eb10649cbf",
          ":method GET :scheme http :path / :authority www.example.com cache-control no-cache",
        ],
        [
          "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
          ":method GET :scheme https :path /index.html :authority www.example.com custom-key custom-value",
        ],
      ],
    },
  ];
  for (const codec of CODECS) {
    for (const { name, blocks } of rows) {
      const decoder = codec.decoder(LIMITS);
      for (const [wire, want] of blocks) {
        const bytes = hex(wire);
        t.equal(listOf(decoder.decode(bytes, 0, bytes.length)).join(" "), want, `${codec.name}: ${name}`);
      }
    }
  }
});

t.test("wrong blocks", async (t) => {
  const rows: { name: string; wire: string; own: string }[] = [
    { name: "§6.1: index 0", wire: "80", own: "ERR_HPACK_INDEX" },
    { name: "§2.3.3: an index behind both tables", wire: "be", own: "ERR_HPACK_INDEX" },
    { name: "§2.3.3: a name's index behind both tables", wire: "7f 00 00", own: "ERR_HPACK_INDEX" },
    { name: "§5.1: an integer without its end", wire: "ff 80", own: "ERR_HPACK_TRUNCATED" },
    { name: "§5.1: an integer that never ends", wire: "ff 80 80 80 80 80 80 01", own: "ERR_HPACK_INTEGER" },
    { name: "§5.1: an integer above 2^31", wire: "ff ff ff ff ff 7f", own: "ERR_HPACK_INTEGER" },
    { name: "§5.2: a string longer than the block", wire: "40 05 61", own: "ERR_HPACK_TRUNCATED" },
    { name: "§5.2: a name and no value", wire: "40 01 61", own: "ERR_HPACK_TRUNCATED" },
    { name: "§5.2: padding of zeros", wire: "40 01 61 81 18", own: "ERR_HPACK_HUFFMAN" },
    { name: "§5.2: eight bits of padding", wire: "40 01 61 82 1f ff", own: "ERR_HPACK_HUFFMAN" },
    { name: "§5.2: EOS", wire: "40 01 61 84 ff ff ff ff", own: "ERR_HPACK_HUFFMAN" },
    { name: "§5.2: EOS behind a symbol", wire: "40 01 61 85 1f ff ff ff ff", own: "ERR_HPACK_HUFFMAN" },
    { name: "§4.2: a size update behind a field", wire: "82 20", own: "ERR_HPACK_TABLE_SIZE" },
    { name: "§6.3: a size update above the limit", wire: "3f e2 1f", own: "ERR_HPACK_TABLE_SIZE" },
  ];
  for (const { name, wire, own } of rows) {
    const bytes = hex(wire);
    const decoder = OWN_CODEC.decoder(LIMITS);
    t.equal(
      codeOf(() => decoder.decode(bytes, 0, bytes.length)),
      own,
      name,
    );
    t.equal(
      codeOf(() => decoder.decode(hex("82"), 0, 1)),
      "ERR_HPACK_FAILED",
      "and nothing after it",
    );
    const other = NPM_CODEC.decoder(LIMITS);
    t.match(
      codeOf(() => other.decode(bytes, 0, bytes.length)),
      /^ERR_HPACK_/,
      `${name}, hpack.js`,
    );
  }
});

t.test("table size updates", async (t) => {
  for (const codec of CODECS) {
    const decoder = codec.decoder(LIMITS);
    decoder.setTableBytesMax(100);
    t.equal(
      codeOf(() => decoder.decode(hex("82"), 0, 1)),
      "ERR_HPACK_TABLE_SIZE",
      `${codec.name}: a reduction not told`,
    );
    const told = codec.decoder(LIMITS);
    told.setTableBytesMax(100);
    t.same(listOf(told.decode(hex("3f 45 82"), 0, 3)), [":method", "GET"], `${codec.name}: a reduction told`);

    const encoder = codec.encoder(4096);
    const reader = OWN_CODEC.decoder(LIMITS);
    const list = ["x-one", "1", "x-two", "2"];
    const read = (bytes: Uint8Array): string[] => listOf(reader.decode(bytes, 0, bytes.length));
    t.same(read(encode(encoder, list)), list);
    encoder.setTableBytesMax(0);
    encoder.setTableBytesMax(50);
    const block = encode(encoder, list);
    t.same([...block.subarray(0, 3)], [0x20, 0x3f, 0x13], `${codec.name}: the least, then the present size`);
    t.same(read(block), list);
    t.same(read(encode(encoder, list)), list);
    encoder.setTableBytesMax(1_000_000);
    t.same([...encode(encoder, ["x", "y"]).subarray(0, 3)], [0x3f, 0xe1, 0x1f], `${codec.name}: never above our own`);

    const small = codec.encoder(0);
    const first = encode(small, list);
    t.equal(first[0], 0x20, `${codec.name}: a table of our own of no size`);
    const again = OWN_CODEC.decoder(LIMITS);
    t.same(listOf(again.decode(first, 0, first.length)), list);
  }
});

t.test("what is kept of secrets", async (t) => {
  for (const codec of CODECS) {
    const encoder = codec.encoder(4096);
    const list = ["authorization", "Basic c2VjcmV0", "cookie", "a=b", "set-cookie", "c=d", "x-plain", "e"];
    const first = encode(encoder, list);
    const second = encode(encoder, list);
    t.ok(second.length < first.length, "an ordinary field is indexed");
    const block = OWN_CODEC.decoder(LIMITS).decode(first, 0, first.length);
    t.same(
      block.fields.map(({ sensitive }) => sensitive),
      [true, true, true, false],
      `${codec.name}: never indexed`,
    );
  }
});

t.test("limits count while it decodes", async (t) => {
  for (const codec of CODECS) {
    const encoder = codec.encoder(4096);
    // One entry of 4,000 bytes, then a thousand one-byte references to it: 4 MB of list.
    const bomb = Buffer.concat([
      hex("40 01 62 7f a1 1e".replaceAll(" ", "")),
      Buffer.alloc(4000, 0x61),
      Buffer.alloc(1000, 0xbe),
    ]);
    const decoder = codec.decoder({ listBytesMax: 16_384, fieldsMax: 100, tableBytesMax: 4096 });
    const block = decoder.decode(bomb, 0, bomb.length);
    t.equal(block.tooLarge, true, codec.name);
    t.ok(block.fields.length <= 4, "what is above the limit is not kept");
    t.equal(block.size, 1001 * 4033);
    t.equal(listOf(decoder.decode(hex("be"), 0, 1))[0], "b", "the table is right all the same");

    const many = encode(
      encoder,
      Array.from({ length: 400 }, (_, at) => (at % 2 === 0 ? "n" : "v")),
    );
    const counted = codec.decoder({ listBytesMax: 1_000_000, fieldsMax: 100, tableBytesMax: 4096 });
    const { fields, tooLarge } = counted.decode(many, 0, many.length);
    t.same([fields.length, tooLarge], [100, true], `${codec.name}: fields are counted`);
  }
  const decoder = OWN_CODEC.decoder({ listBytesMax: 1000, fieldsMax: 100, tableBytesMax: 4096 });
  const huge = Buffer.concat([hex("82 40 01 62 7f d1 0f"), Buffer.alloc(2000 + 128, 0x61)]);
  t.doesNotThrow(() => decoder.decode(huge, 0, huge.length), "larger than the list, small enough for the table");
  const larger = Buffer.concat([hex("40 01 62 7f 81 fa 01"), Buffer.alloc(32_000 + 128, 0x61)]);
  const block = decoder.decode(larger, 0, larger.length);
  t.equal(block.tooLarge, true, "too large for list and table: skipped");
  t.equal(
    codeOf(() => decoder.decode(hex("be"), 0, 1)),
    "ERR_HPACK_INDEX",
    "and the table is empty (§4.4)",
  );
});

t.test("a block seen before is decoded once", async (t) => {
  const decoder = OWN_CODEC.decoder(LIMITS);
  const first = hex("828684418cf1e3c2e5f23a6ba0ab90f4ff");
  const again = hex("828684be");
  decoder.decode(first, 0, first.length);
  const block = decoder.decode(again, 0, again.length);
  t.equal(decoder.decode(again, 0, again.length), block);
  decoder.decode(hex("40 01 61 01 62"), 0, 5);
  const moved = decoder.decode(again, 0, again.length);
  t.not(moved, block, "not when the table has changed");
  t.same(listOf(moved).slice(-2), ["a", "b"]);

  const encoder = OWN_CODEC.encoder(4096);
  const reader = OWN_CODEC.decoder(LIMITS);
  for (let round = 0; round < 6; round += 1) {
    for (const value of ["1", "2", "3"]) {
      const bytes = encode(encoder, ["x-a", value], Number(value));
      t.same(listOf(reader.decode(bytes, 0, bytes.length)), ["x-a", value]);
    }
    const other = encode(encoder, ["x-b", String(round)]);
    t.same(listOf(reader.decode(other, 0, other.length)), ["x-b", String(round)]);
  }
});

t.test("Huffman code", async (t) => {
  const every = String.fromCharCode(...Array.from({ length: 256 }, (_, at) => at));
  for (const text of ["", "a", every, every + every, "<<<<", "\xff\xff", "0".repeat(1000)]) {
    const u8 = new Uint8Array(huffmanSize(text));
    t.equal(putHuffman(u8, 0, text), u8.length);
    const out = Buffer.alloc(decodedBound(u8.length));
    t.equal(out.toString("latin1", 0, decodeHuffman(u8, 0, u8.length, out)), text);
  }
});

const text = fc.string({
  unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)),
  maxLength: 40,
});
const name = fc.oneof(
  fc.constantFrom(
    ":status",
    "content-type",
    "cookie",
    "set-cookie",
    "constructor",
    "__proto__",
    "tostring",
    "x-a",
    "x-b",
  ),
  text.filter((one) => one.length > 0),
);
const value = fc.oneof(fc.constantFrom("", "1", "constructor", "__proto__", "text/html"), text);
const lists = fc.array(
  fc.array(fc.tuple(name, value), { maxLength: 12 }).map((list) => list.flat()),
  { maxLength: 12 },
);

t.test("properties", async (t) => {
  const roundTrip = fc.property(
    lists,
    fc.array(fc.integer({ min: 0, max: 5000 }), { maxLength: 12 }),
    (blocks, sizes) => {
      for (const writing of CODECS) {
        const encoder = writing.encoder(4096);
        const decoders = CODECS.map((codec) => codec.decoder(LIMITS));
        for (const [at, list] of blocks.entries()) {
          if (sizes[at] !== undefined) encoder.setTableBytesMax(sizes[at]);
          const bytes = encode(encoder, list);
          for (const decoder of decoders) {
            const got = listOf(decoder.decode(bytes, 0, bytes.length));
            if (got.join("\0") !== list.join("\0")) return false;
          }
        }
      }
      return true;
    },
  );
  fc.assert(roundTrip, { numRuns: 300 });
  t.pass("decode∘encode is identity, each codec reading each");

  const anything = fc.property(fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 6 }), (blocks) => {
    const own = OWN_CODEC.decoder(LIMITS);
    const other = NPM_CODEC.decoder(LIMITS);
    for (const bytes of blocks) {
      const results = [own, other].map((decoder) => {
        try {
          return listOf(decoder.decode(bytes, 0, bytes.length)).join("\0");
        } catch (error) {
          if (!(error instanceof HpackError)) throw error;
          return error;
        }
      });
      if (results[0] instanceof HpackError || results[1] instanceof HpackError) {
        // hpack.js takes no integer above 28 bits; nothing of that size is right anyway.
        return results[0] instanceof HpackError && results[1] instanceof HpackError;
      }
      if (results[0] !== results[1]) return false;
    }
    return true;
  });
  fc.assert(anything, { numRuns: 3000 });
  t.pass("arbitrary bytes: both codecs say the same, and throw nothing but HpackError");
});
