// How a test sees who the server thinks it is: tables whose rows are filtered by role and by session
// variables. Table `who` has every role, `x_hasura_…` every value, and a client sees only its own.

const table = (variable) => variable.replaceAll('-', '_');
const text = (value) => `'${value.replaceAll("'", "''")}'`;

/** What can be seen: these roles, and session variables with these values. */
export class Observatory {
  constructor({ roles, variables, values }) {
    this.roles = [...new Set(roles)].sort();
    this.variables = [...new Set(variables)].sort();
    this.values = [...new Set(values)].sort();
  }

  /** The database. */
  sql() {
    const statements = ['create table who (name text primary key)', `insert into who values ${this.roles.map((role) => `(${text(role)})`)}`];
    for (const variable of this.variables) {
      statements.push(`create table ${table(variable)} (value text primary key)`);
      statements.push(`insert into ${table(variable)} values ${this.values.map((value) => `(${text(value)})`)}`);
    }
    return `${statements.join(';\n')};\n`;
  }

  /** The permissions, as Hasura's metadata. */
  metadata(kind = 'sqlite') {
    const readable = (name, column, filter) => ({
      table: name,
      select_permissions: this.roles
        .filter((role) => role !== 'admin')
        .map((role) => ({ role, permission: { columns: [column], filter } })),
    });
    const tables = [
      readable('who', 'name', { name: { _eq: 'X-Hasura-Role' } }),
      ...this.variables.map((name) => readable(table(name), 'value', { value: { _eq: name } })),
    ];
    return JSON.stringify({ version: 3, sources: [{ name: 'default', kind, tables }] });
  }

  /** A query for the role and these variables. */
  static query(variables = []) {
    return `{ who { name } ${variables.map((name) => `${table(name)} { value }`).join(' ')} }`;
  }

  /** Who is seen in its answer: `{role, session}`. */
  seen(data, variables = []) {
    const role = data.who.length === this.roles.length ? 'admin' : data.who.map(({ name }) => name).join(', ');
    const session = variables.map((name) => [name, data[table(name)].map(({ value }) => value).join(', ')]);
    return { role, session: Object.fromEntries(session) };
  }
}

/** What is told of a session variable that is not there. */
export const missing = (name) => ({ code: 'not-found', message: `missing session variable: "${name}"` });
