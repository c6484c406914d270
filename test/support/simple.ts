import type { ConnectRouter } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";

/** What a demo server is told to do in tests. */
export interface SimpleServer {
  /** Says who answered. */
  readonly name: string;
  /** Called with every request message that arrives. */
  readonly onMessage?: (data: string) => void;
}

/** The demo service, which answers with the server's name. */
export function simpleRoutes({ name, onMessage }: SimpleServer): (router: ConnectRouter) => void {
  const answer = (data: string) => {
    onMessage?.(data);
    return { code: 200, value: `${name}: hello ${data}` };
  };
  return (router) => {
    router.service(Simple, {
      route: ({ data }) => answer(data),
      async *routeServerStream({ data }) {
        for (let i = 0; i < 3; i++) yield answer(`${data} ${i}`);
      },
      async routeClientStream(requests) {
        const all: string[] = [];
        for await (const { data } of requests) {
          answer(data);
          all.push(data);
        }
        return { code: 200, value: `${name}: ${all.join(",")}` };
      },
      async *routeBidiStream(requests) {
        for await (const { data } of requests) yield answer(data);
      },
    });
  };
}
