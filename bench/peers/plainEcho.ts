/** Answers with the JSON that was sent, on node:http alone: what Node costs by itself. */
import { createServer } from 'node:http';
import { readEnvironment } from '../../config/env.ts';

const { HOST, PORT } = readEnvironment();

createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const answer = JSON.stringify(JSON.parse(Buffer.concat(chunks).toString()));
    response.writeHead(200, {
      'Content-Type': 'application/json; charset=utf-8',
      'Content-Length': Buffer.byteLength(answer),
    });
    response.end(answer);
  });
}).listen(PORT, HOST);
