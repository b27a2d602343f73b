"""What a check has found, for people and for programs.

One module for each form: ``human`` for a terminal, with the place underlined and the run drawn
(``timeline``); ``listing`` is JSON; ``sarif`` is SARIF 2.1.0; ``github`` are the commands that
make annotations in GitHub Actions. All of them are functions of the diagnostics and the sources.
"""
