// The live page in a Worker: of what its own isolate calls.
import { createClient } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { fetchConnector } from "../../src/fetch.ts";
import { createPullTransport, flightRecorder, type RequestContext, staticResolver } from "../../src/index.ts";
import { observe } from "../../src/page.ts";

let made: ReturnType<typeof make> | undefined;

function make(address: string) {
  const transport = createPullTransport({
    resolver: staticResolver([address]),
    connector: fetchConnector({ protocol: "connect" }),
    recorder: flightRecorder(),
  });
  return { transport, page: observe({ transports: [transport], intervalMs: 250 }) };
}

export default {
  async fetch(request: Request, env: { SERVER: string }, ctx: RequestContext): Promise<Response> {
    const { transport, page } = made ??= make(env.SERVER);
    if (!new URL(request.url).pathname.startsWith("/call")) return page.handler(request);
    const { value } = await createClient(Simple, transport.forRequest(ctx)).route({ data: "x" });
    return Response.json({ value });
  },
};
