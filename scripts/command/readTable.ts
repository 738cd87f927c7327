import { createReadStream } from 'node:fs';
import { CsvError, parse } from 'csv-parse';
import { CommandFailure } from './failure.ts';

/** A line of a table: its cells by the name of their column, or why it has none. */
export type TableLine<Column extends string> =
  | { readonly line: number; readonly cell: (column: Column) => string }
  | { readonly line: number; readonly bad: string };

/** A quote that is never closed would otherwise take in the rest of the file. */
const LARGEST_RECORD = 16_384;

/**
 * Reads a CSV file line by line. Its first line names the columns, in any order and among others; blank lines are left
 * out.
 *
 * @throws {CommandFailure} when the file cannot be read, or is no CSV with these columns
 */
export async function* readTable<Column extends string>(
  file: string,
  columns: readonly Column[],
): AsyncGenerator<TableLine<Column>> {
  let header: ReadonlyMap<Column, number> | undefined;
  let width = 0;
  for await (const { line, cells } of readRecords(file)) {
    if (!header) {
      header = readHeader(cells, columns);
      width = cells.length;
      continue;
    }
    if (cells.every((cell) => cell.trim() === '')) continue;
    if (cells.length !== width) {
      yield { line, bad: `${cells.length} fields, but the header has ${width}` };
      continue;
    }
    const places = header;
    yield { line, cell: (column) => cells[places.get(column) ?? -1] ?? '' };
  }
  if (!header)
    throw new CommandFailure(`${file} is empty; its first line has to name ${columns.join(', ')}.`);
}

interface FileRecord {
  readonly line: number;
  readonly cells: readonly string[];
}

async function* readRecords(file: string): AsyncGenerator<FileRecord> {
  const parser = parse({
    bom: true,
    info: true,
    relax_column_count: true,
    skip_empty_lines: true,
    max_record_size: LARGEST_RECORD,
  });
  const source = createReadStream(file);
  source.on('error', (error) => parser.destroy(error));
  source.pipe(parser);
  try {
    for await (const { info, record } of parser) yield { line: info.lines, cells: record };
  } catch (error) {
    if (error instanceof CsvError) throw new CommandFailure(`${file} is not a CSV file: ${error.message}`);
    if (error instanceof Error && 'syscall' in error) {
      throw new CommandFailure(`${file} cannot be read: ${error.message}`);
    }
    throw error;
  } finally {
    source.destroy();
  }
}

function readHeader<Column extends string>(
  cells: readonly string[],
  columns: readonly Column[],
): ReadonlyMap<Column, number> {
  const names = cells.map((cell) => cell.trim());
  const wrong = columns.filter((column) => names.filter((name) => name === column).length !== 1);
  if (wrong.length > 0) {
    throw new CommandFailure(
      `The first line has to name each of ${columns.join(', ')} once, with commas between; ${wrong.join(', ')} is missing or named twice.`,
    );
  }
  return new Map(columns.map((column) => [column, names.indexOf(column)]));
}
