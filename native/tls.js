// Finds the TLS addon beside the other one. It uses the OpenSSL that node itself carries and exports, so it is loaded apart:
// a node without that still has the transport.
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const require = createRequire(import.meta.url);
const OPENSSL_3 = 0x30000000;

const candidates = () => {
  const named = process.env.PERCORE_ADDON;
  if (named) return [join(dirname(named), "percore_tls.node")];
  return ["./build/Release/percore_tls.node", `./prebuilds/${process.platform}-${process.arch}/percore_tls.node`];
};

const unusable = () =>
  new Error(
    `@percore/native/tls: this runtime (${process.release.name} ${process.version}, OpenSSL ${process.versions.openssl ?? "none"}) ` +
      `exports no OpenSSL 3. TLS needs a node that was built with its own OpenSSL, as those of nodejs.org and of distributions are; ` +
      `Electron and builds --without-ssl are not. The rest of Percore works without it.`,
  );

const load = () => {
  const failures = [];
  for (const candidate of candidates()) {
    try {
      const addon = require(candidate);
      if (addon.opensslVersion >= OPENSSL_3) return addon;
      throw unusable();
    } catch (error) {
      if (/undefined symbol: (SSL|BIO|EVP|ERR|X509|PEM|OPENSSL|CRYPTO|RAND)/.test(error.message)) throw unusable();
      failures.push(`  ${candidate}: ${error.message.split("\n")[0]}`);
    }
  }
  throw new Error(
    `@percore/native/tls: no TLS addon for ${process.platform}-${process.arch} and Node ${process.version} could be loaded.\n` +
      `${failures.join("\n")}\n` +
      `Compile it (needs g++ 11 or newer, make and python3; on Debian: apt-get install g++ make python3):\n` +
      `  cd ${fileURLToPath(new URL(".", import.meta.url))} && npx node-gyp@12.4.0 rebuild -- -Dstrict=0`,
  );
};

const addon = load();

export const { makeContext, openEngine, openTicketRing, opensslVersion, TLS } = addon;
