import fc from "fast-check";
import t from "tap";
import { decodeAddress, encodeAddress, formatAddress } from "../src/address.ts";
import { CoreError } from "../src/errors.ts";
import type { PeerAddress } from "../src/stream.ts";

t.test("addresses: encoded, decoded, formatted", async (t) => {
  for (const { address, want, text } of [
    { address: { family: "ipv4", address: "127.0.0.1", port: 80 }, want: null, text: "127.0.0.1:80" },
    { address: { family: "ipv6", address: "::", port: 0 }, want: null, text: "[::]:0" },
    { address: { family: "ipv6", address: "::1", port: 65_535 }, want: null, text: "[::1]:65535" },
    { address: { family: "ipv6", address: "2001:db8:0:0:1:0:0:1", port: 1 }, want: "2001:db8::1:0:0:1", text: "" },
    { address: { family: "ipv6", address: "2001:DB8::", port: 1 }, want: "2001:db8::", text: "" },
    { address: { family: "ipv6", address: "1:0:2:0:3:0:4:0", port: 1 }, want: "1:0:2:0:3:0:4:0", text: "" },
    { address: { family: "ipv6", address: "::ffff:10.1.2.3", port: 9 }, want: "10.1.2.3", text: "" },
    { address: { family: "ipv6", address: "fe80::1%2", port: 9 }, want: "fe80::1", text: "" },
    { address: { family: "unix", address: "/run/x.sock", port: 0 }, want: null, text: "/run/x.sock" },
    { address: { family: "unix", address: "\0abstract", port: 0 }, want: null, text: "\0abstract" },
  ] as { address: PeerAddress; want: string | null; text: string }[]) {
    const decoded = decodeAddress(encodeAddress(address));
    t.equal(decoded.address, want ?? address.address, address.address);
    t.equal(decoded.port, address.port);
    if (text !== "") t.equal(formatAddress(address), text);
  }
});

t.test("what is no address is refused", async (t) => {
  for (const address of [
    { family: "ipv4", address: "300.1.1.1", port: 1 },
    { family: "ipv4", address: "localhost", port: 1 },
    { family: "ipv6", address: ":::", port: 1 },
    { family: "ipv4", address: "1.1.1.1", port: 65_536 },
    { family: "ipv4", address: "1.1.1.1", port: -1 },
    { family: "ipv4", address: "1.1.1.1", port: 1.5 },
    { family: "unix", address: "", port: 0 },
    { family: "unix", address: "x".repeat(108), port: 0 },
  ] as PeerAddress[]) {
    t.throws(() => encodeAddress(address), CoreError, `${address.address}:${address.port}`);
  }
});

t.test("a socket without a name has an empty path", async (t) => {
  t.equal(decodeAddress(new Uint8Array([1, 0])).address, "");
  t.equal(decodeAddress(new Uint8Array([])).address, "");
});

t.test("property: IPv6 written in any way comes back as one spelling of the same bytes", async (t) => {
  fc.assert(
    fc.property(fc.ipV6(), (text) => {
      const bytes = encodeAddress({ family: "ipv6", address: text, port: 1 });
      const decoded = decodeAddress(bytes);
      if (decoded.family === "ipv4") return true;
      const again = encodeAddress(decoded);
      return Buffer.compare(bytes, again) === 0;
    }),
  );
  t.pass();
});
