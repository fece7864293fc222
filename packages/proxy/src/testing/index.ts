export { type FakeAnswer, type FakeRequest, type FakeServer, FakeUpstreams } from "./fake-upstreams.ts";
export { TestProxy, type TestProxyOptions, testProxy } from "./test-proxy.ts";
