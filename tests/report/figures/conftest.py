from tests.sample_records import record, results, written

__all__ = ["record", "results", "written"]
