"""Executions over failing outside systems, while their consumer is killed: does everything happen once?"""
