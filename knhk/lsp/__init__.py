"""The language server: what editors ask, answered over the Language Server Protocol.

It needs the extra ``knhk[lsp]``. The answers themselves are functions of the sources in
:mod:`knhk_dsl.index`; here stand the documents that are open, and the protocol.
"""
