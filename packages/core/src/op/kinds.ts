// kinds.ts — the low byte of user_data: which operation of its owner has completed.
// Bit 7 tells native's teardown that a result >= 0 is a descriptor.
export const KIND_RECV = 1;
export const KIND_SEND = 2;
export const KIND_CANCEL = 3;
export const KIND_CLOSE = 4;
/** Poll for a hang-up while nothing is being received. */
export const KIND_WATCH = 5;
/** Poll for room in the socket, between two calls of sendfile. */
export const KIND_WRITABLE = 6;
export const KIND_CONNECT = 7;
export const KIND_READ = 8;
export const KIND_WRITE = 9;
export const KIND_FSYNC = 10;
export const KIND_STATX = 11;
export const KIND_ACCEPT = 0x80;
export const KIND_OPEN = 0x81;
