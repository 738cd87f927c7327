import type { OutgoingHttpHeaders } from 'node:http';
import type { Response } from 'express';

/** Answers with a value as JSON. */
export function answerJson(response: Response, status: number, value: unknown): void {
  answerText(response, status, 'application/json; charset=utf-8', JSON.stringify(value));
}

/** Answers with a finished text in one write. Headers that were set before are kept. */
export function answerText(response: Response, status: number, contentType: string, text: string): void {
  const bytes = Buffer.byteLength(text);
  response.writeHead(status, headersOf(response, contentType, bytes));
  // As many bytes as characters is plain ASCII, which Node joins with the headers and sends fastest as latin1.
  response.end(text, bytes === text.length ? 'latin1' : 'utf8');
}

/** Answers with bytes, such as a file. */
export function answerBytes(response: Response, status: number, contentType: string, bytes: Buffer): void {
  response.writeHead(status, headersOf(response, contentType, bytes.length));
  response.end(bytes);
}

/** The headers that every answer has. All of them in one object: setting each by itself costs a third of a request. */
export function headersOf(response: Response, contentType: string, bytes: number): OutgoingHttpHeaders {
  const { requestId, route } = response.req.context;
  if (route?.cors === 'any') {
    return {
      'Content-Type': contentType,
      'Content-Length': bytes,
      'X-Request-Id': requestId,
      'X-Content-Type-Options': 'nosniff',
      'Access-Control-Allow-Origin': '*',
    };
  }
  return {
    'Content-Type': contentType,
    'Content-Length': bytes,
    'X-Request-Id': requestId,
    'X-Content-Type-Options': 'nosniff',
  };
}
