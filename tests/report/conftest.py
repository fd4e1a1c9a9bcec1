from tests.sample_records import per_seed, record, records, results, written

__all__ = ["per_seed", "record", "records", "results", "written"]
