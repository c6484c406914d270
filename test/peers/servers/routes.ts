// The demo service as every server of ours and of connect-node's serves it to peers.
import { ConnectError, type ConnectRouter, type HandlerContext } from "@connectrpc/connect";
import { Simple } from "../../../gen/simple_pb.ts";
import { COUNTED, ECHO, FAIL, FAILURE, messagesOf, SILENT, summaryOf } from "./answers.ts";

const answer = (value: string) => ({ code: 200, value });
const took = (data: string) => void (data.startsWith(COUNTED) && console.log(`took ${data}`));

function echo({ requestHeader, responseHeader, responseTrailer }: HandlerContext): void {
  const sent = requestHeader.get(ECHO);
  if (sent === null) return;
  responseHeader.set(ECHO, sent);
  responseTrailer.set(`${ECHO}-trailer`, sent);
}

/** Waits until the call is aborted, and prints that it does and that it was. */
function silence({ signal }: HandlerContext): Promise<void> {
  console.log("waits");
  return new Promise((resolve) => {
    const aborted = () => {
      console.log("aborted");
      resolve();
    };
    if (signal.aborted) aborted();
    else signal.addEventListener("abort", aborted);
  });
}

export function demoRoutes(router: ConnectRouter): void {
  router.service(Simple, {
    async route({ data }, context) {
      took(data);
      echo(context);
      if (data === FAIL) throw new ConnectError(FAILURE.message, FAILURE.code);
      if (data === SILENT) await silence(context);
      return answer(data);
    },
    async *routeServerStream({ data }, context) {
      echo(context);
      if (data === FAIL) throw new ConnectError(FAILURE.message, FAILURE.code);
      if (data === SILENT) {
        yield answer(data);
        return await silence(context);
      }
      for (const text of messagesOf(data)) yield answer(text);
    },
    async routeClientStream(requests, context) {
      echo(context);
      const texts: string[] = [];
      for await (const { data } of requests) {
        if (texts.length === 0) took(data);
        texts.push(data);
      }
      return answer(summaryOf(texts));
    },
    async *routeBidiStream(requests, context) {
      echo(context);
      for await (const { data } of requests) yield answer(data);
    },
  });
}
