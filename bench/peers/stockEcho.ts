/** Answers with the JSON that was sent, on Express as it comes. */
import express from 'express';
import { readEnvironment } from '../../config/env.ts';

const { HOST, PORT } = readEnvironment();

express()
  .use(express.json())
  .post('/echo', (request, response) => {
    response.json(request.body);
  })
  .listen(PORT, HOST);
