export type { BodyInit } from "./fetch/body-source.ts";
export { Headers, type HeadersInit } from "./fetch/headers.ts";
export { Request, type RequestInit } from "./fetch/request.ts";
export { Response, type ResponseInit } from "./fetch/response.ts";
export { type ContentCoding, FileBody, type FileOptions, file } from "./files/file-body.ts";
