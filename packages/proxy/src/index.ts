export {
  type DefinedConfig,
  defineConfig,
  onPath,
  type ParameterNames,
  type Parameters,
} from "./config/define.ts";
export { checkConfig, DEFAULT_FILES, type LoadedConfig, type LoadOptions, loadConfig } from "./config/load.ts";
export { ConfigError, type PlacedProblem } from "./config/problem.ts";
export type { HandlerContext } from "./config/route-schema.ts";
export { type Config, type ConfigInput, jsonSchema } from "./config/schema.ts";
export { REASONS, type Reason, type RequestRecord, type ServerStatus, type UpstreamStatus } from "./plan.ts";
export { type Proxy, type ProxyOptions, proxy } from "./proxy.ts";
