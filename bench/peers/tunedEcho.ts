/** Answers with the JSON that was sent, on the product's HTTP platform. */
import { answerJson } from '../../src/api/answer.ts';
import { parseJson } from '../../src/api/body/json.ts';
import { readBody } from '../../src/api/body/readBody.ts';
import { servePlatform } from './platform.ts';

const BODY_LIMIT_BYTES = 64 * 1_024;

await servePlatform({
  method: 'post',
  path: '/echo',
  access: 'open',
  errors: 'problem',
  limit: 'none',
  async handle(request, response) {
    answerJson(response, 200, parseJson(await readBody(request, BODY_LIMIT_BYTES)));
  },
});
