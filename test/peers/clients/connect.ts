// A Connect transport as a client of the demo service.
import { ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { Simple, type SimpleResponse } from "../../../gen/simple_pb.ts";
import { ECHO } from "../servers/answers.ts";
import type { CallOptions, PeerClient } from "./tries.ts";

async function* values(answers: AsyncIterable<SimpleResponse>): AsyncGenerator<string> {
  for await (const { value } of answers) yield value;
}

async function* requests(texts: AsyncIterable<string>): AsyncGenerator<{ data: string }> {
  for await (const data of texts) yield { data };
}

export function connectClient(transport: Transport, close: () => void): PeerClient {
  const client = createClient(Simple, transport);
  return {
    async unary(data, { onMetadata, ...options }: CallOptions = {}) {
      let header: string | undefined, trailer: string | undefined;
      const { value } = await client.route({ data }, {
        ...options,
        onHeader: (headers) => void (header = headers.get(ECHO) ?? undefined),
        onTrailer: (trailers) => void (trailer = trailers.get(`${ECHO}-trailer`) ?? undefined),
      });
      onMetadata?.(header, trailer);
      return value;
    },
    serverStream: (data, options) => values(client.routeServerStream({ data }, options)),
    clientStream: async (texts) => (await client.routeClientStream(requests(texts))).value,
    bidi: (texts) => values(client.routeBidiStream(requests(texts))),
    status(error) {
      const { code, rawMessage } = ConnectError.from(error);
      return { code, message: rawMessage };
    },
    close,
  };
}
