// Certificates for the TLS cases, made once: P-256 and RSA-2048, signed by themselves.
import { existsSync } from "node:fs";
import { CACHE, ensureDirectory } from "./paths.mjs";
import { run } from "./processes.mjs";

const KINDS = { ec: ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"], rsa: ["rsa:2048"] };

/** @param {"ec" | "rsa"} kind @returns {Promise<{ cert: string, key: string }>} files in PEM */
export const certificate = async (kind) => {
  const folder = ensureDirectory(`${CACHE}certificates/`);
  const [cert, key] = [`${folder}${kind}.pem`, `${folder}${kind}.key`];
  if (!existsSync(cert)) {
    await run(
      ["openssl", "req", "-x509", "-nodes", "-days", "365", "-subj", "/CN=localhost", "-newkey", ...KINDS[kind]]
        .concat(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
        .concat(["-keyout", key, "-out", cert]),
    );
  }
  return { cert, key };
};
