export { NPM_CODEC as hpackJs } from "./codec/hpack/npm-codec.ts";
