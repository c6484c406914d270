import { type Client, ConnectError, createClient } from "@connectrpc/connect";
import {
  ChannelConnectivityState_State as State,
  type ChannelData,
  Channelz,
  type Subchannel,
} from "../../../gen/grpc/channelz/v1/channelz_pb.ts";
import { grpcConnector } from "../../node/grpc-connector.ts";
import type { TlsSource } from "../../node/tls-options.ts";
import { staticResolver } from "../../resolver/static.ts";
import { createBalancedTransport } from "../../transport/transport.ts";
import { atMost } from "../concurrently.ts";
import { CliError, EXIT } from "../exit.ts";
import { type Counts, RateMeter } from "./rates.ts";
import type { TopRow, TopSource } from "./top-sample.ts";

/** How many subchannels are asked for at a time, and how deep channels may stand in one another. */
const AT_ONCE = 16, DEEPEST = 4;
/** No program has more channels and subchannels. */
const MOST = 100_000;
/** How long a sample may take, in milliseconds. */
const TIMEOUT_MS = 10_000;

/** Where channelz is served. */
export interface ChannelzOptions {
  readonly address: string;
  readonly tls: TlsSource | undefined;
  /** Only channels to this target; undefined: all. */
  readonly service: string | undefined;
}

/** A subchannel, and the channel that it belongs to. */
interface Found {
  readonly target: string;
  readonly subchannelId: bigint;
}

/** The calls of a program in any language, from its channelz service, which knows no latencies. */
export function channelzSource({ address, tls, service }: ChannelzOptions): TopSource {
  const transport = createBalancedTransport({
    resolver: staticResolver([address]),
    connector: grpcConnector({ tls }),
    waitTimeoutMs: TIMEOUT_MS,
  });
  const client = createClient(Channelz, transport), meter = new RateMeter();
  return {
    title: `the calls of the program whose channelz is at ${address}`,
    async sample(signal) {
      const options = { signal, timeoutMs: TIMEOUT_MS };
      try {
        const found = await subchannels(client, service, options);
        const read = await atMost(AT_ONCE, found, async ({ subchannelId, target }) => {
          // One that has gone meanwhile is no failure.
          const answer = await client.getSubchannel({ subchannelId }, options).catch(() => undefined);
          return answer?.subchannel && { target, subchannel: answer.subchannel };
        });
        const present = read.filter((one) => one !== undefined);
        const counts = present.map(({ subchannel: { data, ref } }) =>
          [String(ref?.subchannelId), countsOf(data)] as const
        );
        const rates = meter.rates(new Map<string, Counts>(counts), performance.now());
        return {
          rows: present.map(({ target, subchannel }) => {
            return { ...rowOf(subchannel, target), ...rates(String(subchannel.ref?.subchannelId)) };
          }),
        };
      } catch (error) {
        signal.throwIfAborted();
        throw new CliError(`can't read channelz of ${address}: ${ConnectError.from(error).rawMessage}`, {
          exitCode: EXIT.unreachable,
          next: ["does it serve grpc.channelz.v1? createGrpcServer({ channelz: createChannelz({ transports }) })"],
          cause: error,
        });
      }
    },
    close: () => transport.close(),
  };
}

type Options = { readonly signal: AbortSignal; readonly timeoutMs: number };

/** The subchannels of all channels, or of those to one target. */
async function subchannels(
  client: Client<typeof Channelz>,
  service: string | undefined,
  options: Options,
): Promise<readonly Found[]> {
  const found: Found[] = [];
  for (let startChannelId = 0n, end = false; !end && found.length < MOST;) {
    const page = await client.getTopChannels({ startChannelId }, options);
    for (const { ref, data, subchannelRef, channelRef } of page.channel) {
      startChannelId = (ref?.channelId ?? startChannelId) + 1n;
      const target = data?.target ?? "";
      if (service !== undefined && !isTarget(target, service)) continue;
      for (const { subchannelId } of subchannelRef) found.push({ target, subchannelId });
      for (const { channelId } of channelRef) await nested(client, { channelId, target, depth: 1 }, found, options);
    }
    end = page.end || page.channel.length === 0;
  }
  return found;
}

/** Some clients have channels below a channel, such as one for each of several child policies. */
async function nested(
  client: Client<typeof Channelz>,
  { channelId, target, depth }: { readonly channelId: bigint; readonly target: string; readonly depth: number },
  found: Found[],
  options: Options,
): Promise<void> {
  if (depth > DEEPEST || found.length >= MOST) return;
  const { channel } = await client.getChannel({ channelId }, options);
  for (const { subchannelId } of channel?.subchannelRef ?? []) found.push({ target, subchannelId });
  for (const ref of channel?.channelRef ?? []) {
    await nested(client, { channelId: ref.channelId, target, depth: depth + 1 }, found, options);
  }
}

/** Whether a target is a service's, also as gRPC spells it: `etcd:///name`. */
function isTarget(target: string, service: string): boolean {
  return target === service || target.endsWith(`/${service}`);
}

function countsOf(data: ChannelData | undefined): Counts {
  return { calls: Number(data?.callsStarted ?? 0n), errors: Number(data?.callsFailed ?? 0n) };
}

function rowOf({ ref, data }: Subchannel, target: string): TopRow {
  const { callsStarted = 0n, callsSucceeded = 0n, callsFailed = 0n } = data ?? {};
  const state = Object.entries(State).find(([, value]) => value === data?.state?.state)?.[0] ?? "UNKNOWN";
  return {
    endpoint: data?.target || ref?.name || `subchannel ${ref?.subchannelId}`,
    service: target,
    state: state.toLowerCase(),
    inFlight: Number(callsStarted - callsSucceeded - callsFailed),
  };
}
