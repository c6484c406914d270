/**
 * gRPC's channelz: the channels, subchannels, sockets and servers of a program, for `grpcdebug` and other tools.
 *
 * ```ts
 * import { createChannelz } from "connect-lb/channelz";
 * import { createGrpcServer } from "connect-lb/server";
 *
 * const channelz = createChannelz({ transports: [transport], servers: [server] });
 * const admin = createGrpcServer({ routes: () => {}, channelz });
 * await admin.listen({ host: "127.0.0.1", port: 8001 });
 * await admin.close();
 * ```
 *
 * Its `routes` add the service to any other Connect router.
 *
 * @module
 */
export { type Channelz, type ChannelzOptions, createChannelz } from "./observe/channelz/channelz.ts";
export type { ChannelSource } from "./observe/channelz/channel.ts";
export type { ServerSource } from "./observe/channelz/server.ts";
