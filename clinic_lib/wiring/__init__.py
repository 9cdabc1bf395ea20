"""The wiring proves itself: what a system's signatures say, its rules, its pictures and its documents.

errors         what can't be looked at, in one sentence that says what to do
manifest       what a service's signatures say, as data: all that rules and pictures know
outcomes       what a return type lets a function answer with
describe       a service as a manifest
systems        the services of pyproject.toml, imported and nothing more
choreography   a system's services together: who publishes, who hears, what may come before what
findings       what a rule found: where it stands and what to write
failures       the rule about compensations
events         the rules about events: heard, published, of one key
paths          the rules about where sagas end
restores       the rule about services that are set back
views          the rule about what views cover
schemas        whether a reader of one schema can read what another one wrote
changes        the rules about what others read: the baseline, and other services' classes
check          all rules, less what is waived
report         how findings are told
checking       what `clinic check` does
flow           the choreography as one picture, for Mermaid and Graphviz
stories        what happens in a run that ends well, and after a failure
sequences      stories as Mermaid's sequence diagrams
graph          all pictures of a system as one page
merged         OpenAPI and AsyncAPI of a system's services as one
site           the documents as files, and as a page to read
serving        the documents over HTTP
pages          files that are written, or compared with what they should be
drawing        what `clinic graph` and `clinic docs` make
commands       the commands, which are quick to import
"""
