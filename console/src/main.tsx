import 'graphiql/style.css';
import './style.css';
import { createRoot } from 'react-dom/client';
import { endpointOf } from './model/endpoint.ts';
import { Session } from './session.ts';
import { PROTOCOLS } from './transport/transport.ts';
import { App } from './ui/App.tsx';
import { readStored } from './ui/context.ts';

const root = document.getElementById('console');
if (!root) throw new Error('The page has no element with the id "console"');

const session = new Session(endpointOf(document.baseURI), readStored('protocol', PROTOCOLS, PROTOCOLS[0]));
createRoot(root).render(<App session={session} />);
