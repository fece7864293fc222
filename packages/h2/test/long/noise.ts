// noise.ts — frames that are allowed at any time and change little.
import { Buffer } from "node:buffer";
import * as F from "../../src/codec/frame.ts";
import { frame, u32 } from "../harness.ts";
import type { Choice } from "./choice.ts";
import type { Wire } from "./wire.ts";

/** @param ids streams that are open */
export const noise = (choice: Choice, wire: Wire, ids: readonly number[], isServer: boolean): void => {
  switch (choice.number(9)) {
    case 0:
      wire.ping();
      break;
    case 1:
      wire.settings([[F.SETTING_INITIAL_WINDOW_SIZE, choice.one([0, 1, 100, 65_535, 1_000_000])]]);
      break;
    case 2:
      wire.settings([
        [F.SETTING_HEADER_TABLE_SIZE, choice.one([0, 50, 100, 4096, 65_536])],
        [F.SETTING_MAX_FRAME_SIZE, choice.one([16_384, 20_000, 0xff_ffff])],
        [0xf0, 1],
      ]);
      break;
    case 3:
      wire.allow(0, 1 + choice.number(100_000));
      break;
    case 4:
      if (ids.length > 0) wire.allow(choice.one(ids), 1 + choice.number(50_000));
      break;
    case 5:
      wire.queue(
        frame(0x20 + choice.number(200), choice.number(256), choice.one([0, 1, 3]), Buffer.alloc(choice.number(60))),
      );
      break;
    case 6:
      if (ids.length > 0) wire.queue(frame(F.PRIORITY, choice.number(256), choice.one(ids), [0, 0, 0, 0, 7]));
      break;
    case 7:
      if (!isServer && ids.length > 0) {
        const value = choice.one(["u=0", "u=7, i", "i=?0", "u=9;x", "", "\xff", "u=2,i=?1"]);
        wire.queue(
          frame(
            F.PRIORITY_UPDATE,
            0,
            0,
            Buffer.concat([Buffer.from(u32(choice.one(ids))), Buffer.from(value, "latin1")]),
          ),
        );
      }
      break;
    default:
      wire.queue(frame(F.PING, F.ACK, 0, "unasked!"));
  }
};
