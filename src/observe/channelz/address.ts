import type { MessageInitShape } from "@bufbuild/protobuf";
import type { AddressSchema } from "../../../gen/grpc/channelz/v1/channelz_pb.ts";
import { shownText } from "../../shown-text.ts";

/** An address such as `10.0.0.5:8000`, `[::1]:8000` or `unix:/run/app.sock`; one that is something else by its name. */
export function addressMessage(text: string | undefined): MessageInitShape<typeof AddressSchema> {
  if (text === undefined) return { address: { case: "otherAddress", value: { name: "unknown" } } };
  if (text.startsWith("unix:")) {
    return { address: { case: "udsAddress", value: { filename: shownText(text.slice("unix:".length)) } } };
  }
  const [, v6, v4, port] = /^(?:\[([^\]]*)\]|([\d.]+)):(\d+)$/.exec(text) ?? [];
  const ipAddress = v6 !== undefined ? ipv6Bytes(v6) : v4 !== undefined ? ipv4Bytes(v4) : undefined;
  if (ipAddress === undefined) return { address: { case: "otherAddress", value: { name: shownText(text) } } };
  return { address: { case: "tcpipAddress", value: { ipAddress, port: Number(port) } } };
}

function ipv4Bytes(host: string): Uint8Array<ArrayBuffer> | undefined {
  const parts = host.split(".").map(Number);
  return parts.length === 4 && parts.every((part) => part <= 255) ? Uint8Array.from(parts) : undefined;
}

function ipv6Bytes(host: string): Uint8Array<ArrayBuffer> | undefined {
  let groups: string;
  try {
    // In one spelling: without dots, and shortened once at most.
    groups = new URL(`http://[${host.replace(/%.*$/, "")}]/`).hostname.slice(1, -1);
  } catch {
    return undefined;
  }
  const [head = "", tail] = groups.split("::");
  const first = head === "" ? [] : head.split(":"), last = tail === undefined || tail === "" ? [] : tail.split(":");
  const all = [...first, ...Array<string>(8 - first.length - last.length).fill("0"), ...last];
  return Uint8Array.from(all.flatMap((group) => [parseInt(group, 16) >> 8, parseInt(group, 16) & 0xff]));
}
