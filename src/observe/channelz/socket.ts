import type { MessageInitShape } from "@bufbuild/protobuf";
import type { SecuritySchema, SocketRefSchema, SocketSchema } from "../../../gen/grpc/channelz/v1/channelz_pb.ts";
import { shownText } from "../../shown-text.ts";
import type { SocketSnapshot } from "../../snapshot.ts";
import { addressMessage } from "./address.ts";

/** Times that aren't known. Some clients of channelz fail without them. */
const UNKNOWN_TIMES = {
  lastLocalStreamCreatedTimestamp: {},
  lastRemoteStreamCreatedTimestamp: {},
  lastMessageSentTimestamp: {},
  lastMessageReceivedTimestamp: {},
} as const;

/** A reference to a connection. */
export function socketRef({ id, local, remote }: SocketSnapshot): MessageInitShape<typeof SocketRefSchema> {
  return { socketId: BigInt(id), name: `${shownText(local ?? "unknown")} -> ${shownText(remote ?? "unknown")}` };
}

/** A connection. `remoteName`: the address by which it was dialled, if this side did so. */
export function socketMessage(
  socket: SocketSnapshot,
  remoteName: string | undefined,
): MessageInitShape<typeof SocketSchema> {
  const { local, pings, receiveWindowBytes = 0, remote, sendWindowBytes = 0, streams } = socket;
  return {
    ref: socketRef(socket),
    data: {
      streamsStarted: BigInt(streams?.started ?? 0),
      streamsSucceeded: BigInt(streams?.succeeded ?? 0),
      streamsFailed: BigInt(streams?.failed ?? 0),
      keepAlivesSent: BigInt(pings),
      ...UNKNOWN_TIMES,
      localFlowControlWindow: BigInt(sendWindowBytes),
      remoteFlowControlWindow: BigInt(receiveWindowBytes),
    },
    local: addressMessage(local),
    remote: addressMessage(remote ?? remoteName),
    ...socket.secure === true && { security: securityOf(socket) },
    ...remoteName !== undefined && { remoteName: shownText(remoteName) },
  };
}

/** Without the certificates, which may name people. */
function securityOf({ cipher }: SocketSnapshot): MessageInitShape<typeof SecuritySchema> {
  const cipherSuite = cipher === undefined
    ? { case: "otherName", value: "unknown" } as const
    : { case: "standardName", value: shownText(cipher) } as const;
  return { model: { case: "tls", value: { cipherSuite } } };
}

/** A socket that listens. */
export function listenerMessage(id: number, address: string): MessageInitShape<typeof SocketSchema> {
  return {
    ref: { socketId: BigInt(id), name: shownText(address) },
    data: { ...UNKNOWN_TIMES, localFlowControlWindow: 0n, remoteFlowControlWindow: 0n },
    local: addressMessage(address),
  };
}
