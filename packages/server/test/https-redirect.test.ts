import t from "tap";
import { httpsRedirect } from "../src/https-redirect.ts";
import { serve } from "../src/serve.ts";

const location = async (options: Parameters<typeof httpsRedirect>[0], url: string, init?: RequestInit) => {
  const server = serve({ listen: false, handler: httpsRedirect(options) });
  const response = await server.fetch(url, init as never);
  await server.close();
  return [response.status, response.headers.get("location")];
};

t.test("to the same page, encrypted", async (t) => {
  t.same(await location({}, "http://example.com/a?b=1"), [308, "https://example.com/a?b=1"]);
  t.same(await location({}, "http://example.com:8080/"), [308, "https://example.com/"]);
  t.same(await location({ port: 8443, status: 301 }, "http://example.com:8080/a"), [301, "https://example.com:8443/a"]);
  t.same(await location({}, "http://[::1]:8080/a"), [308, "https://[::1]/a"]);
  t.same(await location({ hostname: "www.example.com" }, "http://example.com/a"), [308, "https://www.example.com/a"]);
  t.same(await location({}, "http://example.com//evil.example/"), [308, "https://example.com//evil.example/"]);
});

t.test("options that cannot be", async (t) => {
  t.throws(() => httpsRedirect({ port: 0 }), { code: "ERR_OPTION_INVALID" });
  t.throws(() => httpsRedirect({ status: 303 as never }), { code: "ERR_OPTION_INVALID" });
});
