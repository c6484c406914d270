export { createChannelz } from "../../../../src/channelz.ts";
