import { universalServerRequestFromFetch, universalServerResponseToFetch } from "@connectrpc/connect/protocol";
import { httpAnswer } from "./http-answer.ts";
import type { Services } from "./services.ts";

/** Answers requests of the Connect and gRPC-Web protocols. It takes one argument, so that it can be mounted anywhere. */
export type FetchHandler = (request: Request) => Promise<Response>;

/** The handler of fetch requests for services. It never rejects. */
export function fetchHandler(services: Services): FetchHandler {
  const answer = httpAnswer(services);
  return async (request) => {
    try {
      return universalServerResponseToFetch(await answer(universalServerRequestFromFetch(request, {}), {}));
    } catch (error) {
      console.error("connect-lb: a request could not be answered", error);
      return new Response("internal error\n", { status: 500 });
    }
  };
}
